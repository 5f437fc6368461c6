import { JoinResolver } from '../../lib/resolvers/join-resolver.js';
import { randomUUID } from 'node:crypto';
import { Logger } from '@nestjs/common';
import { parse } from 'lossless-json';
import { DataSource, type EntityManager } from 'typeorm';
import type { PushChange, PushContext, PushResult } from '../../lib/engine/push/push-change.js';
import { isLostPlan, isRetryable, isSchemaRace } from '../../lib/database/database-error.js';
import { KeyReplacedError } from '../../lib/engine/push/writing/key-replaced.error.js';
import { ParkingBusyError } from '../../lib/engine/push/parking/parking-busy.error.js';
import { ChangeApplier } from '../../lib/engine/push/change-applier.js';
import { HookRunner } from '../../lib/hooks/hook-runner.js';
import type { SynchroHooks } from '../../lib/settings/synchro-hooks.js';
import { SyncRegistry } from '../../lib/registry/sync-registry.js';
import type { SyncTable } from '../../lib/registry/sync-table.js';
import { type ConflictResolver, LwwResolver } from '../../lib/resolvers/conflict-resolver.js';
import { PushRules } from '../../lib/resolvers/push-rules.js';
import { OwnerWritePolicy, type WritePolicy } from '../../lib/resolvers/write-policy.js';
import type { SchemaContract } from '../../lib/schema/schema-contract.js';
import { SchemaService } from '../../lib/schema/schema.service.js';
import { synchroMigrationsSql } from '../../lib/store/migrations/index.js';
import { rlsSql } from '../../lib/store/rls/rls.js';
import { callerSql, inTransaction } from '../../lib/database/session.js';
import { readSettings } from '../../lib/settings/synchro.settings.js';
import { qualify } from '../../lib/database/sync-schema.js';
import { createDatabase, type TestDatabase } from './database.js';
import { createRole, type TestRole } from './roles.js';
import { eventually } from './wait.js';

/** A database with the given tables, and pushes into it as the engine would make them. */
export interface PushFixture {
  readonly db: TestDatabase;
  readonly dataSource: DataSource;
  /** The role that policies bind; null where there are none. */
  readonly role: string | null;
  /** Pushes in a transaction of its own, and commits. */
  push(user: string, changes: readonly PushChange[], options?: PushOptions): Promise<readonly PushResult[]>;
  /** The same, for one change. */
  pushOne(user: string, change: PushChange, options?: PushOptions): Promise<PushResult>;
  /** Pushes in a transaction that the caller has opened. */
  apply(
    manager: EntityManager,
    user: string,
    changes: readonly PushChange[],
    options?: PushOptions,
  ): Promise<readonly PushResult[]>;
  /** Makes a row visible in a bucket, as the WAL consumer would. */
  addEdge(table: string, id: string, bucket: string): Promise<void>;
  /**
   * Does something in another transaction, which stays open while `meanwhile` starts and comes to wait.
   * @param ready how many connections wait by then, or what is done before it ends. Default: 1
   */
  whileOpen<T>(
    before: (manager: EntityManager) => Promise<unknown>,
    meanwhile: () => Promise<T>,
    ready?: number | (() => Promise<unknown>),
  ): Promise<T>;
  /** Resolves once this many connections to the database wait for a lock. */
  waiting(count: number): Promise<void>;
  close(): Promise<void>;
}

export interface PushOptions {
  readonly resolver?: ConflictResolver;
  readonly policy?: WritePolicy;
  readonly clockSkewTolerance?: number;
  readonly maxPushChanges?: number;
  readonly maxPageBytes?: number;
  readonly buckets?: readonly string[];
  /** What the user is subscribed to, where the log is outdated, so that `buckets` has none. */
  readonly subscriptions?: readonly string[];
  /** Default: `device-1`. */
  readonly clientId?: string;
  readonly hooks?: SynchroHooks;
  /** An earlier run lost a race. Default: none did. */
  readonly isRerun?: boolean;
  /** Gets the ids of the records that are to be redelivered to the device. */
  readonly unrepaired?: string[];
}

/**
 * How pushes reach the tables: as a superuser without any policies; as a role that row-level security binds; or as a
 * superuser who becomes such a role to write.
 */
export const ACCESSES = ['superuser', 'bound pool', 'pushRole'] as const;

export type Access = (typeof ACCESSES)[number];

/** @param ddl statements that create the tables */
export async function pushFixture(
  tables: readonly SyncTable[],
  ddl: readonly string[],
  access: Access = 'superuser',
): Promise<PushFixture> {
  // Rejected changes are logged; here they are what is tested.
  Logger.overrideLogger(false);
  const db = await createDatabase();
  for (const statement of [...synchroMigrationsSql(), ...ddl]) await db.query(statement);
  const role = access === 'superuser' ? null : await boundRole(db, tables);
  if (access === 'bound pool') await role?.grantSyncTables();
  const url = access === 'bound pool' && role ? role.url : db.url;
  const dataSource = await new DataSource({ type: 'postgres', url, poolSize: 6 }).initialize();
  const pushRole = access === 'pushRole' && role ? { pushRole: role.name } : {};
  // The host's own writes have no user.
  const host =
    url === db.url ? dataSource : await new DataSource({ type: 'postgres', url: db.url }).initialize();
  const registry = new SyncRegistry(tables);
  const contract = await new SchemaService(registry, dataSource).current();

  const apply: PushFixture['apply'] = async (manager, userId, changes, options = {}) => {
    const { clockSkewTolerance = 0, maxPushChanges, maxPageBytes } = options;
    const resolver = options.resolver ?? new LwwResolver({ clockSkewTolerance });
    const context = { ...contextOf(contract, userId, options), isRerun: options.isRerun ?? false };
    await manager.query(`SELECT ${callerSql('$1', '$2::text')}`, [userId, context.buckets]);
    const settings = readSettings({
      clockSkewTolerance,
      ...(maxPushChanges && { maxPushChanges }),
      ...(maxPageBytes && { maxPageBytes }),
      ...pushRole,
      ...(options.hooks && { hooks: options.hooks }),
    });
    const hooks = new HookRunner(settings, dataSource, { explore: () => [] });
    hooks.onModuleInit();
    const rules = new PushRules(
      resolver,
      new HandMadeEdges(registry),
      options.policy ?? new OwnerWritePolicy(),
    );
    const pusher = new ChangeApplier(registry, rules, settings, hooks);
    const opening = pusher.opening(manager, userId, changes, options.isRerun ?? false);
    const applied = await pusher.apply(manager, context, changes, await opening.run(manager));
    options.unrepaired?.push(...applied.corrections.redelivered.flatMap(({ recordIds }) => recordIds ?? []));
    for (const conflict of applied.conflicts) await hooks.inform('onConflict', conflict);
    return applied.results;
  };
  const push: PushFixture['push'] = async (user, changes, options) => {
    const run = (isRerun: boolean): Promise<readonly PushResult[]> =>
      inTransaction(dataSource, 'write', (manager) => apply(manager, user, changes, { ...options, isRerun }));
    try {
      return await run(false);
    } catch (error) {
      if (
        RUN_AGAIN.some((kind) => error instanceof kind) ||
        isRetryable(error) ||
        isSchemaRace(error) ||
        isLostPlan(error)
      )
        return run(true);
      throw error;
    }
  };

  const waiting: PushFixture['waiting'] = async (count) => {
    await eventually(async () => {
      const rows = await db.query(
        `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`,
      );
      return rows.length === count;
    });
  };
  const whileOpen: PushFixture['whileOpen'] = async (before, meanwhile, ready = 1) => {
    const isReady = typeof ready === 'number' ? (): Promise<void> => waiting(ready) : ready;
    let result: ReturnType<typeof meanwhile> | undefined;
    await inTransaction(host, 'write', async (manager) => {
      await before(manager);
      result = meanwhile();
      // Whoever fails before it waits tells so here.
      await Promise.race([isReady(), result.then(isReady)]);
    });
    if (!result) throw new Error('nothing was started');
    return result;
  };

  return {
    db,
    dataSource,
    role: role?.name ?? null,
    apply,
    whileOpen,
    push,
    pushOne: async (user, change, options) => only(await push(user, [change], options)),
    addEdge: async (table, id, bucket) => {
      await db.query('INSERT INTO sync_bucket_edges (table_name, record_id, bucket_id) VALUES ($1, $2, $3)', [
        table,
        id,
        bucket,
      ]);
    },
    waiting,
    close: async () => {
      await dataSource.destroy();
      if (host !== dataSource) await host.destroy();
      await db.drop();
      await role?.drop();
    },
  };
}

/** As the engine does it. */
const RUN_AGAIN = [ParkingBusyError, KeyReplacedError];

async function boundRole(db: TestDatabase, tables: readonly SyncTable[]): Promise<TestRole> {
  const role = await createRole(db);
  for (const statement of rlsSql(tables, { role: role.name })) await db.query(qualify(statement, 'public'));
  return role;
}

function contextOf(contract: SchemaContract, userId: string, options: PushOptions): PushContext {
  return {
    contract,
    userId,
    clientId: options.clientId ?? 'device-1',
    buckets: options.buckets ?? [`user:${userId}`, 'global'],
    ...(options.subscriptions && { subscriptions: options.subscriptions }),
  };
}

export interface ChangeTimes {
  /** `client_updated_at`. Default: a minute ahead of the clock, so that it wins where nothing else decides. */
  readonly at?: unknown;
  /** `base_updated_at`. Default: null. */
  readonly base?: unknown;
}

/** A change as the HTTP layer hands it on; `data` may be JSON text, for numbers that JavaScript doesn't have. */
export function change(
  operation: string,
  table: string,
  id: unknown,
  data: object | string | null = null,
  { at, base = null }: ChangeTimes = {},
): PushChange {
  return {
    id,
    table_name: table,
    operation,
    data: data === null ? null : parse(typeof data === 'string' ? data : JSON.stringify(data)),
    client_updated_at: at === undefined ? fromNow(60_000) : at,
    base_updated_at: base,
  };
}

/** A time, this many milliseconds from now. */
export function fromNow(milliseconds: number): string {
  return new Date(Date.now() + milliseconds).toISOString();
}

/** A verdict's `server_version`, parsed. */
export function serverVersion(
  result: PushResult,
): Record<string, unknown> & { data: Record<string, unknown> } {
  return JSON.parse(result.server_version ?? 'null');
}

export function only<T>(items: readonly T[]): T {
  const [first] = items;
  if (first === undefined || items.length > 1) throw new Error(`expected one item, got ${items.length}`);
  return first;
}

/** Ids in ascending order. */
export function sortedIds(count: number): readonly string[] {
  return Array.from({ length: count }, () => randomUUID()).toSorted();
}

/** The tests make edges by hand, which the default rule would contradict. */
class HandMadeEdges extends JoinResolver {}
