export { bucketOf } from './common/canonical-id.js';
export type { Duration } from './common/duration.js';
export { SynchroError, type SynchroErrorCode, type SynchroProblem } from './common/errors.js';
export type { CaughtUpOptions } from './engine/admin/caught-up.js';
export type { RecordId, ReresolveOptions } from './engine/admin/reresolve.js';
export { SyncOperations, type ParkedRowKey } from './engine/admin/sync-operations.js';
export { SyncStatus, type SyncStatusReport } from './operations/sync-status.js';
export type { LiveReport } from './live/live.js';
export { SyncEngine } from './engine/sync-engine.js';
export type { Configured, ConfigurationFactory } from './http/guards/configured-guard.js';
export { JwtGuard, type JwtGuardOptions } from './http/guards/jwt.guard.js';
export { RetryAfterGuard, type Rejection, type RetryAfterPolicy } from './http/guards/retry-after.guard.js';
export { UserIdHeaderGuard, type UserIdHeaderGuardOptions } from './http/guards/user-id-header.guard.js';
export {
  BeforeApply,
  OnCompaction,
  OnConflict,
  OnPullComplete,
  OnPushAccepted,
  OnSchemaIncompatible,
  OnSnapshotRequired,
  OnStaleClient,
} from './hooks/hook.decorators.js';
export type {
  AcceptedRecord,
  BeforeApplyEvent,
  CompactionEvent,
  ConflictEvent,
  PullCompleteEvent,
  PushAcceptedEvent,
  SchemaIncompatibleEvent,
  SnapshotRequiredEvent,
  StaleClientEvent,
  WriteRejection,
} from './settings/hook-events.js';
export type { SynchroHooks } from './settings/synchro-hooks.js';
export { WriteRejectedError } from './hooks/write-rejected.error.js';
export { SyncController } from './http/sync.controller.js';
export type { EntityClass } from './registry/entity-class.js';
export { SyncTable } from './registry/sync-table.decorator.js';
export type {
  BucketSource,
  ColumnName,
  PushPolicy,
  SyncTableOptions,
} from './registry/sync-table.options.js';
export { SyncRegistry } from './registry/sync-registry.js';
export type { ConsumerReport, ConsumerState } from './replication/consumer-monitor.js';
export { ConflictResolver, LwwResolver, ServerWinsResolver } from './resolvers/conflict-resolver.js';
export type { Conflict, Resolution } from './settings/conflict.js';
export { JoinResolver } from './resolvers/join-resolver.js';
export { OwnershipResolver, type Buckets, type ResolveRow } from './resolvers/ownership-resolver.js';
export { PerTableResolver } from './resolvers/per-table-resolver.js';
export { PerTableWritePolicy } from './resolvers/per-table-write-policy.js';
export {
  OwnerWritePolicy,
  WritePolicy,
  type ChildChange,
  type PolicyRow,
  type WriteAnswer,
  type WriteQuestion,
  type WriteRequest,
} from './resolvers/write-policy.js';
export { SubscriptionResolver, UserSubscriptionResolver } from './resolvers/subscription-resolver.js';
export type { ManifestEntry } from './schema/manifest.js';
export type { ClientInfo } from './store/clients/client-admin.js';
export type { CompactionResult } from './settings/compaction-result.js';
export { synchroRlsSql, type RlsOptions } from './store/rls/rls.js';
export { synchroMigrations, synchroMigrationsSql } from './store/migrations/index.js';
export type {
  ListPage,
  ParkedRow,
  RefusedChange,
  RuleFailure,
  RuleFailureFilter,
  WaitingRow,
} from './store/tasks/operation-lists.js';
export { SynchroModule } from './synchro.module.js';
export type {
  CompactionOptions,
  LimitOptions,
  LiveOptions,
  ReplicationOptions,
  SchemaOptions,
  SynchroModuleExtras,
  SynchroOptions,
} from './settings/synchro.options.js';
