import { quoteIdentifier } from '../../common/identifiers.js';
import type { SyncTable } from '../../registry/sync-table.js';

/** The rights that a role needs to read and write the synced tables, and to read their rows' buckets. */
export function grantsSql(
  tables: readonly SyncTable[],
  parents: readonly SyncTable[],
  role: string,
): readonly string[] {
  const to = `TO ${quoteIdentifier(role)}`;
  const pushed = tables.filter(({ pushPolicy }) => pushPolicy === 'owner_only');
  const others = tables.filter(({ pushPolicy }) => pushPolicy !== 'owner_only');
  return [
    ...schemasOf(tables).map((schema) => `GRANT USAGE ON SCHEMA ${schema} ${to}`),
    `GRANT USAGE ON SCHEMA :sync ${to}`,
    ...(pushed.length > 0 ? [`GRANT SELECT, INSERT, UPDATE, DELETE ON ${listSql(pushed)} ${to}`] : []),
    // For keys and columns that count.
    ...schemasOf(pushed).map((schema) => `GRANT USAGE ON ALL SEQUENCES IN SCHEMA ${schema} ${to}`),
    ...(others.length > 0 ? [`GRANT SELECT ON ${listSql(others)} ${to}`] : []),
    // A role that may update any column of a row may lock it.
    ...others
      .filter((table) => parents.includes(table))
      .map((table) => `GRANT UPDATE (${quoteIdentifier(table.idColumn)}) ON ${table.sql} ${to}`),
    ...memberTables(tables).map((relation) => `GRANT SELECT ON ${relation} ${to}`),
    `GRANT SELECT ON :sync.sync_bucket_edges ${to}`,
  ];
}

/** The tables that say who is a member. */
export function memberTables(tables: readonly SyncTable[]): readonly string[] {
  return [...new Set(tables.flatMap(({ members }) => members?.sql ?? []))];
}

function schemasOf(tables: readonly SyncTable[]): readonly string[] {
  return [...new Set(tables.map(({ schema }) => quoteIdentifier(schema)))];
}

function listSql(tables: readonly SyncTable[]): string {
  return tables.map(({ sql }) => sql).join(', ');
}
