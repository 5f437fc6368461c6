import { Module, type DynamicModule, type Provider } from '@nestjs/common';
import { DiscoveryModule } from '@nestjs/core';
import { getDataSourceToken } from '@nestjs/typeorm';
import type { DataSource } from 'typeorm';
import { CompactionSchedule } from './engine/compaction/compaction-schedule.js';
import { Admin } from './engine/admin/admin.js';
import { Compaction } from './engine/compaction/compaction.js';
import { Compactor } from './engine/compaction/compactor.js';
import { Hydrator } from './engine/rows/hydrator.js';
import { SyncOperations } from './engine/admin/sync-operations.js';
import { SyncStatus } from './operations/sync-status.js';
import { Pull } from './engine/pull/pull.js';
import { Puller } from './engine/pull/puller.js';
import { UnreadableRows } from './engine/rows/unreadable-rows.js';
import { ChangeApplier } from './engine/push/change-applier.js';
import { Push } from './engine/push/push.js';
import { Register } from './engine/register/register.js';
import { Requests } from './engine/request/requests.js';
import { Snapshot } from './engine/snapshot/snapshot.js';
import { Snapshotter } from './engine/snapshot/snapshotter.js';
import { SyncEngine } from './engine/sync-engine.js';
import { HookExplorer } from './hooks/hook-explorer.js';
import { HookRunner } from './hooks/hook-runner.js';
import { Admission } from './http/admission/admission.js';
import { BodyReader } from './http/bodies/body-reader.js';
import { LiveEndpoint } from './http/live/live-endpoint.js';
import { syncControllerFor } from './http/sync-controller.factory.js';
import { Live } from './live/live.js';
import { LogSignal } from './live/log-signal.js';
import { discoverTables } from './registry/discovery.js';
import { SyncRegistry } from './registry/sync-registry.js';
import { ConsumerMonitor } from './replication/consumer-monitor.js';
import { ConsumerService } from './replication/consumer.service.js';
import { ConflictResolver, LwwResolver, ServerWinsResolver } from './resolvers/conflict-resolver.js';
import { JoinResolver } from './resolvers/join-resolver.js';
import { OwnershipResolver } from './resolvers/ownership-resolver.js';
import { PushRules } from './resolvers/push-rules.js';
import { HOST_PROVIDERS, ResolverChecks } from './resolvers/resolver-checks.js';
import { SubscribedBuckets } from './resolvers/subscribed-buckets.js';
import { SubscriptionResolver, UserSubscriptionResolver } from './resolvers/subscription-resolver.js';
import { OwnerWritePolicy, WritePolicy } from './resolvers/write-policy.js';
import { SchemaService } from './schema/schema.service.js';
import { SYNC_DATA_SOURCE } from './database/data-source.token.js';
import { databaseName } from './database/connection-config.js';
import { syncSchema } from './database/sync-schema.js';
import { StartChecks } from './start-checks.js';
import { SynchroLifecycle } from './synchro.lifecycle.js';
import {
  ASYNC_OPTIONS_TYPE,
  ConfigurableModuleClass,
  GIVEN_OPTIONS,
  OPTIONS_TYPE,
} from './synchro.module-definition.js';
import {
  SYNCHRO_OPTIONS,
  type SynchroModuleExtras,
  type SynchroOptions,
} from './settings/synchro.options.js';
import { readSettings } from './settings/synchro.settings.js';
import { VisibilityWarnings } from './visibility-warnings.js';

/** Offline-first sync for the entities decorated with `@SyncTable`. */
@Module({})
export class SynchroModule extends ConfigurableModuleClass {
  static override forRoot(options: typeof OPTIONS_TYPE): DynamicModule {
    return assemble(super.forRoot(options), options);
  }

  static override forRootAsync(options: typeof ASYNC_OPTIONS_TYPE): DynamicModule {
    return assemble(super.forRootAsync(options), options);
  }
}

function assemble(definition: DynamicModule, extras: SynchroModuleExtras): DynamicModule {
  const path = (extras.path ?? 'sync').replaceAll(/^\/+|\/+$/g, '');
  return {
    ...definition,
    global: extras.isGlobal ?? false,
    imports: [DiscoveryModule, ...(definition.imports ?? []), ...(extras.imports ?? [])],
    controllers: extras.controller === false ? [] : [syncControllerFor(path, extras)],
    providers: [
      ...(definition.providers ?? []),
      { provide: SYNC_DATA_SOURCE, useExisting: getDataSourceToken(extras.dataSource) },
      SETTINGS,
      REGISTRY,
      ...SERVICES,
      ...RESOLVERS,
      { provide: HOST_PROVIDERS, useValue: extras.providers ?? [] },
      // Last, so that the host's classes win over the defaults.
      ...(extras.providers ?? []),
    ],
    exports: [
      // For a host's subclass of SyncController, which lives in the host's module.
      SYNCHRO_OPTIONS,
      Admission,
      HookRunner,
      LiveEndpoint,
      SyncEngine,
      SyncOperations,
      SyncStatus,
      SyncRegistry,
      OwnershipResolver,
      ConflictResolver,
      SubscriptionResolver,
      WritePolicy,
      ...DEFAULT_RESOLVERS,
    ],
  };
}

const SETTINGS: Provider = {
  provide: SYNCHRO_OPTIONS,
  inject: [GIVEN_OPTIONS, SYNC_DATA_SOURCE],
  useFactory: (options: SynchroOptions, dataSource: DataSource) =>
    readSettings(options, databaseName(dataSource)),
};

const REGISTRY: Provider = {
  provide: SyncRegistry,
  inject: [SYNC_DATA_SOURCE],
  useFactory: (dataSource: DataSource) => discoverTables(dataSource, syncSchema(dataSource)),
};

const SERVICES: readonly Provider[] = [
  Admission,
  BodyReader,
  LiveEndpoint,
  Live,
  LogSignal,
  SyncEngine,
  Requests,
  Register,
  Pull,
  Puller,
  Push,
  ChangeApplier,
  Snapshot,
  Snapshotter,
  Compaction,
  Compactor,
  Admin,
  SyncOperations,
  SyncStatus,
  ConsumerMonitor,
  ConsumerService,
  HookExplorer,
  HookRunner,
  Hydrator,
  UnreadableRows,
  CompactionSchedule,
  SchemaService,
  SubscribedBuckets,
  VisibilityWarnings,
  StartChecks,
  SynchroLifecycle,
];

/** By their own tokens, too: the host's resolvers may inject what they replace. */
const DEFAULT_RESOLVERS = [
  JoinResolver,
  LwwResolver,
  ServerWinsResolver,
  UserSubscriptionResolver,
  OwnerWritePolicy,
];

const RESOLVERS: readonly Provider[] = [
  ...DEFAULT_RESOLVERS,
  { provide: OwnershipResolver, useExisting: JoinResolver },
  { provide: ConflictResolver, useExisting: LwwResolver },
  { provide: SubscriptionResolver, useExisting: UserSubscriptionResolver },
  { provide: WritePolicy, useExisting: OwnerWritePolicy },
  PushRules,
  ResolverChecks,
];
