import { type SynchroProblem } from '../common/errors.js';
import type { SyncTable } from './sync-table.js';

/** PostgreSQL cuts longer names off (NAMEDATALEN), so that the one in use is another than the one asked for. */
const MAX_NAME_BYTES = 63;

/**
 * Names that the SDKs' SQLite files have for themselves (docs/protocol.md#names-that-sdks-keep-for-themselves), and
 * those of our own tables.
 */
const RESERVED: readonly (readonly [pattern: RegExp, whose: string])[] = [
  [/^_synchro_/i, "begins like the client SDKs' own tables"],
  [/^sqlite_/i, "begins like SQLite's own tables"],
  [/^android_metadata$/i, 'is a table of every Android database'],
  [/^grdb_migrations$/i, "is a table of the Swift SDK's database library"],
  [
    /^sync_(?:changelog|clients|wal_position|bucket_edges|rule_failures|schema_manifest|waiting_rows|parked_rows|subscription_changes|table_rules|migrations)$/,
    'is one of the sync tables themselves',
  ],
];

/** Tables that the SQLite database of a device could not have beside each other, or at all. */
export function tableNameProblems(
  table: SyncTable,
  earlier: readonly SyncTable[],
): readonly SynchroProblem[] {
  const { name } = table;
  const problems: SynchroProblem[] = [];
  const problem = (message: string): void => {
    problems.push({
      code: 'configuration_invalid',
      entity: table.entity,
      option: 'table name',
      message,
      fix: `rename the table: @Entity('…')`,
    });
  };
  const [, whose] = RESERVED.find(([pattern]) => pattern.test(name)) ?? [];
  if (whose !== undefined) problem(`${name} ${whose}`);
  if (isTooLong(name)) problem(`${name} ${TOO_LONG}`);
  const other = earlier.find((one) => sqliteName(one.name) === sqliteName(name));
  if (other?.name === name) {
    problem(`${other.schema}.${name} and ${table.schema}.${name} have the same name on the wire`);
  } else if (other) {
    problem(`${other.name} (${other.entity}) and ${name} are one name to SQLite, which ignores case`);
  }
  return problems;
}

/** Columns that differ by case alone: SQLite can't have both. */
export function columnCaseProblems(table: SyncTable, columns: readonly string[]): readonly SynchroProblem[] {
  return columns.flatMap((name, index) => {
    const other = columns.slice(0, index).find((earlier) => sqliteName(earlier) === sqliteName(name));
    if (other === undefined) return [];
    return [
      {
        code: 'configuration_invalid',
        entity: table.entity,
        option: name,
        message: `${other} and ${name} are one name to SQLite, which ignores case`,
        fix: `rename one of them, or leave it out of @SyncTable({ syncColumns: [...] })`,
      },
    ];
  });
}

/** Column names that PostgreSQL would cut off. */
export function longColumnProblems(entity: string, columns: readonly string[]): readonly SynchroProblem[] {
  return columns.filter(isTooLong).map((name) => ({
    code: 'configuration_invalid',
    entity,
    option: name,
    message: `${name} ${TOO_LONG}`,
    fix: `give the column a shorter one: @Column({ name: '…' })`,
  }));
}

const TOO_LONG = `is longer than the ${MAX_NAME_BYTES} bytes that PostgreSQL keeps of a name`;

function isTooLong(name: string): boolean {
  return Buffer.byteLength(name) > MAX_NAME_BYTES;
}

/** SQLite ignores the case of ASCII letters, and of no others. */
function sqliteName(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => letter.toLowerCase());
}
