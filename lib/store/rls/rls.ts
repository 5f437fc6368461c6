import type { DataSource } from 'typeorm';
import { problemsError } from '../../common/errors.js';
import { quoteIdentifier, quoteLiteral } from '../../common/identifiers.js';
import { discoverTables } from '../../registry/discovery.js';
import { SyncRegistry } from '../../registry/sync-registry.js';
import type { SyncTable } from '../../registry/sync-table.js';
import { wantedTeamSql } from '../host-rows/members-sql.js';
import { functionWritesSql, rowJsonb } from '../host-rows/write-function-sql.js';
import { hasOwnWriteRule, ownedSql, parentOwnedSql, unownedSql } from '../host-rows/ownership-sql.js';
import { grantsSql } from './rls-grants.js';
import { hasRowSql } from '../host-rows/row-exists.js';
import { BUCKETS_SETTING, USER_SETTING } from '../../database/session.js';
import { qualify, syncSchema } from '../../database/sync-schema.js';

export interface RlsOptions {
  /**
   * Role that the policies are for: the pool's own, or the one of `pushRole`. It is granted what sync needs of the
   * host's tables. Default: `PUBLIC`, and no grants.
   */
  readonly role?: string;
  /** Whether the policies bind the tables' owner, too: the whole app, if its role owns them. Default: false. */
  readonly force?: boolean;
  /**
   * Whether a user under the policies may read the rows in the user's buckets, beside those that the user owns:
   * shared rows, and rows that an `OwnershipResolver` or a `SubscriptionResolver` brings into view. Without it pulls
   * of such rows come back empty. Default: true.
   */
  readonly readByBucket?: boolean;
  /**
   * Whether an `OwnershipResolver` of yours decides the readers of rows. A table without an owner, a parent and a
   * rule of its own is then read by its buckets alone, and so are rows without an owner; without `readByBucket`, no
   * user reads them. Tables with `bucketSources` are like that in any case. Default: false, such tables and rows are
   * everyone's.
   */
  readonly ownershipResolver?: boolean;
}

/**
 * The row-level security of a DataSource's synced tables, as SQL statements in order; run them in a migration, or
 * print them. They can run again, after a change of the tables' options, too. See {@link rlsSql}.
 *
 * Policies are a second wall: sync itself decides in its own SQL which users read and write rows, and needs none of
 * them.
 *
 * @param dataSource an initialised one
 * @throws SynchroError `configuration_invalid` where the decorated entities contradict themselves
 */
export async function synchroRlsSql(
  dataSource: DataSource,
  options: RlsOptions = {},
): Promise<readonly string[]> {
  const schema = syncSchema(dataSource);
  const registry = discoverTables(dataSource, schema);
  const { problems } = registry.findings;
  if (problems.length > 0) throw problemsError(problems);
  return rlsSql(registry.all(), options).map((sql) => qualify(sql, schema));
}

/**
 * Policies by `app.user_id` and `app.buckets`, which sync sets for each request's transaction. They give owners the
 * same rights as write authority (`ownedSql`). For each table:
 * - `ENABLE`, and `FORCE` or `NO FORCE ROW LEVEL SECURITY`, a statement each;
 * - `sync_read_<table>`;
 * - if clients push it, `sync_write_ins_<table>`, `sync_write_upd_<table>`, `sync_write_del_<table>`;
 * - if they don't, but push children of it, `sync_lock_<table>`: its rows can be locked, not changed.
 *
 * A policy's statement drops it first, in the same string, so that there is no moment without it.
 */
export function rlsSql(tables: readonly SyncTable[], options: RlsOptions = {}): readonly string[] {
  const registry = new SyncRegistry(tables);
  const parents = tables.filter(({ name }) => registry.children(name).length > 0);
  return [
    ...tables.flatMap((table) => tableSql(registry, table, options)),
    ...(parents.length > 0 ? [hasRowSql(parents, options.role)] : []),
    ...(options.role === undefined ? [] : grantsSql(tables, parents, options.role)),
  ];
}

/** The user of the transaction; null when there is none. A setting that was local once is empty ever after. */
const USER = `nullif(current_setting('${USER_SETTING}', true), '')`;
const BUCKETS = `nullif(current_setting('${BUCKETS_SETTING}', true), '')::text[]`;

function tableSql(registry: SyncRegistry, table: SyncTable, options: RlsOptions): readonly string[] {
  const forced = options.force === true ? 'FORCE' : 'NO FORCE';
  return [
    `ALTER TABLE ${table.sql} ENABLE ROW LEVEL SECURITY`,
    `ALTER TABLE ${table.sql} ${forced} ROW LEVEL SECURITY`,
    ...policies(registry, table, options),
  ];
}

function policies(registry: SyncRegistry, table: SyncTable, options: RlsOptions): readonly string[] {
  const { name } = table;
  const policy = (kind: PolicyKind, ...clauses: string[]): string =>
    `${dropSql(kind, table)};\nCREATE POLICY ${policyName(kind, table)} ON ${table.sql} FOR ${COMMANDS[kind]} TO ${roleSql(options)}\n  ${clauses.join('\n  ')}`;
  const owned = ownedSql(registry, table, name, USER);
  const read = policy('read', `USING (${readableSql(registry, table, options)})`);
  // Others may be there from the time before the tables' options changed.
  const without = (...kinds: PolicyKind[]): string =>
    [...kinds.map((kind) => dropSql(kind, table)), read].join(';\n');
  if (table.pushPolicy === 'owner_only') {
    return [
      without('lock'),
      policy('write_ins', `WITH CHECK (${insertableSql(registry, table, owned)})`),
      // Of the two sides of a change, which a function of the host's looks at, a policy sees one.
      policy(
        'write_upd',
        `USING (${owned})`,
        `WITH CHECK (${table.writeFunction === null ? owned : 'true'})`,
      ),
      policy('write_del', `USING (${owned})`),
    ];
  }
  const reader = without('write_ins', 'write_upd', 'write_del', 'lock');
  const isLocked = registry.children(name).some(({ pushPolicy }) => pushPolicy === 'owner_only');
  // To lock a row for a child's sake is to update it, as far as policies go.
  return isLocked ? [reader, policy('lock', `USING (${owned})`, 'WITH CHECK (false)')] : [reader];
}

const COMMANDS = {
  read: 'SELECT',
  write_ins: 'INSERT',
  write_upd: 'UPDATE',
  write_del: 'DELETE',
  lock: 'UPDATE',
} as const;

type PolicyKind = keyof typeof COMMANDS;

function policyName(kind: PolicyKind, table: SyncTable): string {
  return quoteIdentifier(`sync_${kind}_${table.name}`);
}

function dropSql(kind: PolicyKind, table: SyncTable): string {
  return `DROP POLICY IF EXISTS ${policyName(kind, table)} ON ${table.sql}`;
}

function roleSql({ role }: RlsOptions): string {
  return role === undefined ? 'PUBLIC' : quoteIdentifier(role);
}

function readableSql(registry: SyncRegistry, table: SyncTable, options: RlsOptions): string {
  const { name, parent, bucketByColumn } = table;
  const byBucket = options.readByBucket === false ? [] : [inBucketSql(table)];
  if (!hasOwnWriteRule(table) && parent === null) {
    // Without an owner or a rule of its own the table is everyone's; with a rule, only its buckets' users read it.
    const isEveryones = bucketByColumn === null && !hasRuleOfHost(table, options);
    return isEveryones ? 'true' : (byBucket[0] ?? 'false');
  }
  return [ownedSql(registry, table, name, USER), ...globalSql(registry, table, options), ...byBucket].join(
    '\n    OR ',
  );
}

/** Rows without an owner, unless their bucket rule decides: such a row may still be a team's. */
function globalSql(registry: SyncRegistry, table: SyncTable, options: RlsOptions): readonly string[] {
  const { name, allowGlobalRead, bucketByColumn, ownerColumn } = table;
  if (!allowGlobalRead || hasRuleOfHost(table, options)) return [];
  const unowned = unownedSql(registry, table, name);
  if (bucketByColumn === null || bucketByColumn === ownerColumn) return [unowned];
  return [`${unowned} AND ${quoteIdentifier(name)}.${quoteIdentifier(bucketByColumn)} IS NULL`];
}

/** Whether code of the host's says which buckets the rows are in. Only a rule of its own depends on other tables. */
function hasRuleOfHost({ bucketFunction, bucketSources }: SyncTable, options: RlsOptions): boolean {
  return bucketFunction !== null || bucketSources.length > 0 || options.ownershipResolver === true;
}

/** Dead edges count: a pull asks of a soft-deleted row whether it is back. */
function inBucketSql({ name, idColumn }: SyncTable): string {
  const key = `${quoteIdentifier(name)}.${quoteIdentifier(idColumn)}`;
  return `EXISTS (SELECT FROM :sync.sync_bucket_edges AS sync_edge WHERE sync_edge.table_name = ${quoteLiteral(name)}
      AND sync_edge.record_id = ${key}::text COLLATE "C" AND sync_edge.bucket_id = ANY(${BUCKETS}))`;
}

/** As a push inserts: an owner column of its own lets a child stand without a parent, not under another user's. */
function insertableSql(registry: SyncRegistry, table: SyncTable, owned: string): string {
  const { members, parentFkColumn, writeFunction } = table;
  const column = (name: string): string => `${quoteIdentifier(table.name)}.${quoteIdentifier(name)}`;
  const sides = { held: 'NULL::jsonb', wanted: rowJsonb(quoteIdentifier(table.name)) };
  const tests = [writeFunction === null ? owned : functionWritesSql(writeFunction, table, sides, USER)];
  if (hasOwnWriteRule(table) && parentFkColumn !== null) {
    const fk = column(parentFkColumn);
    tests.push(`(${fk} IS NULL OR ${parentOwnedSql(registry, table, fk, USER)})`);
  }
  if (members !== null)
    tests.push(wantedTeamSql(table, { wanted: column(members.column), held: undefined }, USER));
  return tests.join(' AND ');
}
