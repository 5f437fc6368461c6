import type { SynchroProblem } from '../../common/errors.js';
import type { SyncTable } from '../../registry/sync-table.js';
import { columnProblems } from './column-problems.js';
import type { CatalogColumn, CatalogTable, RelationKind } from '../introspection/catalog-table.js';
import { keyProblems } from './key-problems.js';
import { requiredColumns, schemaProblem } from './schema-problem.js';
import { timeProblems } from './time-problems.js';

/** Compares a table's registry entry with the database (hazard W-REG-4). */
export function tableProblems(table: SyncTable, catalog: CatalogTable | null): readonly SynchroProblem[] {
  if (catalog === null) return [missingTable(table)];
  const kind = kindProblem(table, catalog);
  if (kind !== null) return [kind];
  return [
    ...missingColumns(table, catalog.columns),
    ...keyProblems(table, catalog.columns),
    ...timeProblems(table, catalog.columns),
    ...columnProblems(table, catalog),
  ];
}

function missingTable(table: SyncTable): SynchroProblem {
  return schemaProblem(
    table,
    '@SyncTable',
    `there is no table ${table.sql} in the database`,
    'run the migration that creates it, or take @SyncTable off its entity',
    'configuration_invalid',
  );
}

/** Changes are read from the write-ahead log, under the name of the table that they were made in. */
function kindProblem(
  table: SyncTable,
  { kind, parent, unloggedPartitions }: CatalogTable,
): SynchroProblem | null {
  if (kind === 'table')
    return unloggedPartitions.length === 0 ? null : unloggedPartition(table, unloggedPartitions);
  const [message, fix] = REFUSED_KINDS[kind];
  const of = kind === 'partition' ? ` of ${parent ?? ''}` : '';
  return schemaProblem(table, '@SyncTable', `${table.sql} is ${message}${of}`, fix);
}

function unloggedPartition(table: SyncTable, names: readonly string[]): SynchroProblem {
  return schemaProblem(
    table,
    '@SyncTable',
    `${table.sql} has partitions that are unlogged or foreign tables, whose changes are not in the write-ahead log: ${names.join(', ')}`,
    `ALTER TABLE … SET LOGGED, or ALTER TABLE ${table.sql} DETACH PARTITION …`,
  );
}

const REFUSED_KINDS: Readonly<Record<Exclude<RelationKind, 'table'>, readonly [what: string, fix: string]>> =
  {
    view: [
      'a view, whose changes are not in the write-ahead log',
      'decorate the entities of the tables that it reads instead',
    ],
    'materialized view': [
      'a materialized view, whose changes are not in the write-ahead log',
      'decorate the entities of the tables that it reads instead',
    ],
    'foreign table': [
      "a foreign table, whose changes are in another server's write-ahead log",
      'sync it from that server, or copy its rows into a table of this one',
    ],
    'unlogged table': [
      'unlogged, so that its changes are not in the write-ahead log',
      'make it an ordinary one: ALTER TABLE … SET LOGGED',
    ],
    partition: ['a partition', 'decorate the entity of the partitioned table instead'],
    'inheritance parent': [
      'inherited from (INHERITS) by tables whose rows it shows, but whose changes come under their own names',
      'use declarative partitioning, or sync the inheriting tables',
    ],
  };

function missingColumns(table: SyncTable, columns: readonly CatalogColumn[]): readonly SynchroProblem[] {
  const there = new Set(columns.map(({ name }) => name));
  return [...namedColumns(table)]
    .filter((name) => name !== '' && !there.has(name))
    .map((name) =>
      schemaProblem(
        table,
        name,
        `the table has no such column; its columns are ${[...there].join(', ')}`,
        `add it to ${table.sql}, or name another one in @SyncTable`,
        'configuration_invalid',
      ),
    );
}

function namedColumns(table: SyncTable): ReadonlySet<string> {
  const { ownerColumn, parentFkColumn, bucketByColumn, versionColumn } = table;
  const team = table.members?.column ?? null;
  const optional = [ownerColumn, parentFkColumn, bucketByColumn, versionColumn, team].filter(
    (name) => name !== null,
  );
  // Not the protected columns: what isn't there (a conventional created_at) needs no protection.
  return new Set([...requiredColumns(table), ...optional, ...(table.syncColumns ?? [])]);
}
