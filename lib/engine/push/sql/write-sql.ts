import { quoteIdentifier, quoteLiteral } from '../../../common/identifiers.js';
import type { SyncRegistry } from '../../../registry/sync-registry.js';
import type { ContractColumn, ContractTable } from '../../../schema/schema-contract.js';
import { wantedTeamSql } from '../../../store/host-rows/members-sql.js';
import { hasOwnWriteRule, ownedSql, parentOwnedSql } from '../../../store/host-rows/ownership-sql.js';
import { functionWritesSql, rowJsonb } from '../../../store/host-rows/write-function-sql.js';
import type { SqlStatement } from '../../../database/pipeline.js';
import { timestampEnvelopeSql } from '../../../schema/row-json.js';
import { changedSql, type GroupShape, recordsSql, sentJsonb, valueSql } from './group-values.js';
import { storedRowSql } from './row-sql.js';

/**
 * Inserts records that are new. It leaves out those whose key is taken (on the primary key only, or it would hide
 * other unique violations: interleavings 19), and those whose parent isn't the user's.
 *
 * @param records a JSON array of objects, column → value
 */
export function insertSql(
  registry: SyncRegistry,
  group: GroupShape,
  records: string,
  userId: string,
): SqlStatement {
  const { table, primaryKey } = group.contract;
  const key = quoteIdentifier(primaryKey.name);
  const parameters: unknown[] = [records];
  const parameter = (value: unknown): string => `$${parameters.push(value)}`;
  const values: (readonly [string, string])[] = [
    [primaryKey.name, `r.${key}`],
    ...group.columns.map((column) => [column.name, valueSql(column)] as const),
  ];
  if (table.updatedAtColumn !== null) values.push([table.updatedAtColumn, NOW]);
  // Without a type of its own, the parameter takes the column's.
  if (table.ownerColumn !== null) values.push([table.ownerColumn, parameter(group.granted?.owner ?? userId)]);
  // TypeORM counts versions from 1, and gives the column no default.
  if (table.versionColumn !== null) values.push([table.versionColumn, '1']);
  const fk = group.columns.find(({ name }) => name === table.parentFkColumn);
  let asked: string | undefined;
  const user = (): string => (asked ??= `${parameter(userId)}::text`);
  const check = group.granted ? 'true' : createCheck(registry, group, fk, user);
  // Triggers would run for a key that ON CONFLICT finds taken. OFFSET 0: one probe of the index for each record.
  const isNew = `NOT EXISTS (SELECT FROM ${table.sql} AS x WHERE x.${key} = r.${key} OFFSET 0)`;
  // A trigger may have given the row away.
  const owned =
    hasOwnWriteRule(table) || table.parent !== null ? stillOwnedSql(registry, group, user()) : 'false';
  return {
    sql: `INSERT INTO ${table.sql} AS t (${values.map(([name]) => quoteIdentifier(name)).join(', ')})
      SELECT ${values.map(([, value]) => value).join(', ')} FROM ${recordsSql(group)} WHERE ${check}
        ${group.form === 'usual' ? `AND ${isNew} ORDER BY r.${key} ON CONFLICT (${key}) DO NOTHING` : `ORDER BY r.${key}`}
      RETURNING ${storedRowSql(group.contract)}, ${owned} AS owned`,
    parameters,
  };
}

/** To whole milliseconds, which is what Swift keeps (W-PUSH-8). */
const NOW = `date_trunc('milliseconds', clock_timestamp())`;

/** Updates records that the user owns. `undelete` takes back a soft delete. */
export function updateSql(
  registry: SyncRegistry,
  group: GroupShape,
  records: string,
  userId: string,
  undelete: boolean,
): SqlStatement {
  const assignments = group.columns.map(
    (column, index) => `${quoteIdentifier(column.name)} = ${changedSql(group, column, index)}`,
  );
  const { deletedAtColumn } = group.contract.table;
  if (undelete && deletedAtColumn !== null) assignments.push(`${quoteIdentifier(deletedAtColumn)} = NULL`);
  return changeSql(registry, group, records, userId, assignments);
}

/** Deletes records that the user owns: softly, where the table has a delete time. */
export function deleteSql(
  registry: SyncRegistry,
  group: GroupShape,
  records: string,
  userId: string,
): SqlStatement {
  const { table } = group.contract;
  if (table.deletedAtColumn !== null)
    return changeSql(registry, group, records, userId, [
      `${quoteIdentifier(table.deletedAtColumn)} = ${NOW}`,
    ]);
  const sql = `DELETE FROM ${table.sql} AS t USING ${recordsSql(group)}
        ${allowedRecordsSql(registry, group)}
        RETURNING ${storedRowSql(group.contract, timestampEnvelopeSql(NOW))}, ${stillOwnedSql(registry, group, '$2::text')} AS owned`;
  return writtenSql(group, sql, [records, userId]);
}

function changeSql(
  registry: SyncRegistry,
  group: GroupShape,
  records: string,
  userId: string,
  assignments: readonly string[],
): SqlStatement {
  const { table } = group.contract;
  const version = table.versionColumn === null ? [] : [versionSql(table.versionColumn)];
  const parameters: unknown[] = [records, userId];
  const newOwner = group.granted?.owner ?? null;
  const owner =
    table.ownerColumn === null || newOwner === null
      ? []
      : [`${quoteIdentifier(table.ownerColumn)} = $${parameters.push(newOwner)}`];
  const all = [...assignments, ...owner, ...forwardSql(group.contract), ...version];
  const sql = `UPDATE ${table.sql} AS t SET ${all.join(', ')} FROM ${recordsSql(group)}
        ${allowedRecordsSql(registry, group)}
        RETURNING ${storedRowSql(group.contract)}, ${stillOwnedSql(registry, group, '$2::text')} AS owned`;
  return writtenSql(group, sql, parameters);
}

function allowedRecordsSql(registry: SyncRegistry, group: GroupShape): string {
  const key = quoteIdentifier(group.contract.primaryKey.name);
  // A policy has been asked under the rows' locks.
  return `WHERE t.${key} = r.${key} AND ${group.granted ? 'true' : changeCheck(registry, group)}`;
}

/** TypeORM answers a bare UPDATE or DELETE in another form than a SELECT. */
function writtenSql({ form }: GroupShape, sql: string, parameters: readonly unknown[]): SqlStatement {
  return { sql: form === 'usual' ? `WITH written AS (${sql}) SELECT * FROM written` : sql, parameters };
}

function stillOwnedSql(registry: SyncRegistry, { contract }: GroupShape, user: string): string {
  return `coalesce(${ownedSql(registry, contract.table, 't', user)}, false)`;
}

/** Both sides are asked: the row before, and the team that it goes to. */
function changeCheck(registry: SyncRegistry, group: GroupShape): string {
  const { table } = group.contract;
  const owned = ownedSql(registry, table, 't', '$2::text');
  const { writeFunction } = table;
  if (writeFunction !== null && group.columns.length > 0) {
    const held = rowJsonb('t');
    const wanted = `${held} || ${sentJsonb(group)}`;
    return `${owned} AND ${functionWritesSql(writeFunction, table, { held, wanted }, '$2::text')}`;
  }
  const index = group.columns.findIndex(({ name }) => name === table.members?.column);
  const column = group.columns[index];
  if (!column) return owned;
  const wanted = changedSql(group, column, index);
  const held = `t.${quoteIdentifier(column.name)}`;
  return `${owned} AND ${wantedTeamSql(table, { wanted, held }, '$2::text')}`;
}

function createCheck(
  registry: SyncRegistry,
  group: GroupShape,
  fk: ContractColumn | undefined,
  user: () => string,
): string {
  const { table, primaryKey } = group.contract;
  const check = parentCheck(registry, group, fk, user);
  if (table.writeFunction !== null) {
    const owner =
      table.ownerColumn === null
        ? ''
        : ` || jsonb_build_object(${quoteLiteral(table.ownerColumn)}, ${user()})`;
    const sides = { held: 'NULL::jsonb', wanted: `${sentJsonb(group)}${owner}` };
    return `${check} AND ${functionWritesSql(table.writeFunction, table, sides, user())}`;
  }
  if (table.members === null) return check;
  const column = [primaryKey, ...group.columns].find(({ name }) => name === table.members?.column);
  const wanted = column && valueSql(column);
  return `${check} AND ${wantedTeamSql(table, { wanted, held: undefined }, user())}`;
}

/** A table's own owner column lets a child stand without a parent, but not under another user's. */
function parentCheck(
  registry: SyncRegistry,
  { contract: { table } }: GroupShape,
  fk: ContractColumn | undefined,
  user: () => string,
): string {
  if (table.parent === null) return 'true';
  if (!fk) return hasOwnWriteRule(table) ? 'true' : 'false';
  const value = `r.${quoteIdentifier(fk.name)}`;
  const owned = parentOwnedSql(registry, table, value, user());
  return hasOwnWriteRule(table) ? `(${value} IS NULL OR ${owned})` : owned;
}

/**
 * Moves `updated_at` forward by at least a millisecond, and to whole ones (interleavings 13, W-PUSH-8): a device
 * takes no row whose time did not grow, and Swift keeps milliseconds. A column that is coarser moves by a second.
 */
function forwardSql({ table: { updatedAtColumn }, columns }: ContractTable): readonly string[] {
  if (updatedAtColumn === null) return [];
  const column = quoteIdentifier(updatedAtColumn);
  const dbType = columns.find(({ name }) => name === updatedAtColumn)?.dbType ?? '';
  const isCoarse = /\([0-2]\)/.test(dbType);
  const [unit, step] = isCoarse ? ['second', '1999999 microseconds'] : ['milliseconds', '1999 microseconds'];
  return [
    `${column} = greatest(date_trunc('${unit}', clock_timestamp()), date_trunc('${unit}', t.${column} + interval '${step}'))`,
  ];
}

function versionSql(name: string): string {
  const column = quoteIdentifier(name);
  return `${column} = coalesce(t.${column}, 0) + 1`;
}
