import type { Mutation } from './mutation.js';

const CONTRACT = 'test/schema/schema-contract.test.ts';
const COMPATIBLE = 'test/schema/compatible-schemas.test.ts';
const LATE = 'test/schema/schema-late-columns.test.ts';
const OPTIONS = 'test/registry/table-options.test.ts';
const SETUP = 'test/replication/slot/setup-errors.test.ts';
const TYPES_PROBLEMS = 'test/schema/types/types-problems.test.ts';

/** What is declared, what the database has, and what devices are told of it. */
export const SCHEMA: readonly Mutation[] = [
  {
    name: 'unknown-types-can-not-be-synced',
    file: 'lib/schema/logical-type.ts',
    find: "return BUILT_IN.get(type.oid) ?? 'string';",
    replace: 'return BUILT_IN.get(type.oid) ?? null;',
    tests: [{ file: CONTRACT, name: 'are found by what a type is, whatever its name' }],
    why: 'W-SCH-2: an enum or a domain would stop the start.',
  },
  {
    name: 'types-that-no-device-can-write-are-synced',
    file: 'lib/schema/logical-type.ts',
    find: "if (type.kind === 'c' || type.kind === 'p') return null;",
    replace: "if (type.kind === 'p') return null;",
    tests: [{ file: CONTRACT, name: 'pair is refused with the way out' }],
    why: 'W-SCH-2: each edit of such a row would be refused.',
  },
  {
    name: 'generated-columns-are-written',
    file: 'lib/schema/contract-builder.ts',
    find: "const generated = column.generated || column.identity === 'always' || isCounted;",
    replace: "const generated = (column.generated && column.identity === 'always') || isCounted;",
    tests: [{ file: CONTRACT, name: 'generated and identity columns have none, are never written' }],
    why: 'W-SCH-3: PostgreSQL would refuse every row that comes back from a device.',
  },
  {
    name: 'devices-are-told-of-all-columns',
    file: 'lib/schema/contract-builder.ts',
    find: '.filter(({ name }) => isSynced(table, name))',
    replace: ".filter(({ name }) => name !== '' || isSynced(table, name))",
    tests: [{ file: OPTIONS, name: 'syncColumns are one set, with key and timestamps' }],
    why: 'W-PUSH-7, W-SCH-4: hidden columns would be on every device.',
  },
  {
    name: 'any-schema-is-compatible',
    file: 'lib/schema/schema-gate.ts',
    find: 'return client.version > 0n && hashes.includes(client.hash);',
    replace: 'return client.version > 0n && hashes.length > 0;',
    tests: [{ file: COMPATIBLE, name: 'where the schema is declared compatible, and nowhere else' }],
    why: 'W-SCH-5: a device would store rows that its tables do not fit.',
  },
  {
    name: 'late-columns-keep-defaults-that-move',
    file: 'lib/schema/contract-builder.ts',
    find: "return !sqliteDefaultSql.startsWith('CURRENT_');",
    replace: "return sqliteDefaultSql !== '';",
    tests: [{ file: LATE, name: 'keep a default that is constant, and lose one that is not' }],
    why: 'W-SCH-7: the app would not start any more on devices that have the table.',
  },
  {
    name: 'late-columns-stay-not-null',
    file: 'lib/schema/contract-builder.ts',
    find: "if (sqliteDefaultSql === null || sqliteDefaultSql === 'NULL') return nullable;",
    replace:
      "if (sqliteDefaultSql === null || sqliteDefaultSql === 'NULL') return nullable || sqliteDefaultSql === null;",
    tests: [{ file: LATE, name: 'can be added to the table on a device, by SQLite itself' }],
    why: 'W-SCH-7: the app would not start any more on devices that have the table.',
  },
  {
    name: 'clocks-that-run-are-constant',
    file: 'lib/schema/defaults/default-expression.ts',
    find: "new Set(['now', 'transaction_timestamp', 'statement_timestamp'])",
    replace: "new Set(['now', 'transaction_timestamp', 'statement_timestamp', 'clock_timestamp'])",
    tests: [{ file: CONTRACT, name: 'are translated or left to the server' }],
    why: 'W-SCH-8: a device would fill in what the server never would.',
  },
  {
    name: 'casts-keep-what-they-would-cut',
    file: 'lib/schema/defaults/default-value.ts',
    find: 'return length === undefined || text.length <= length ?',
    replace: 'return length !== 0 || text.length <= length ?',
    tests: [{ file: CONTRACT, name: 'are translated or left to the server' }],
    why: 'W-SCH-8: a device would have another default than the server.',
  },
  {
    name: 'tables-of-two-schemas-share-a-name',
    file: 'lib/registry/name-problems.ts',
    find: 'earlier.find((one) => sqliteName(one.name) === sqliteName(name));',
    replace: 'earlier.find((one) => one.sql === table.sql);',
    tests: [{ file: 'test/registry/registry.test.ts', name: 'two tables have one name' }],
    why: 'W-REG-2: devices would put the rows of both into one table.',
  },
  {
    name: 'missing-columns-are-found-by-requests',
    file: 'lib/schema/problems/table-problems.ts',
    find: '    ...missingColumns(table, catalog.columns),\n',
    replace: '',
    tests: [{ file: CONTRACT, name: 'registry entries that the database does not have' }],
    why: 'W-REG-4: the app would start, and each request would fail.',
  },
  {
    name: 'composite-keys-are-read-by-one-column',
    file: 'lib/schema/problems/key-problems.ts',
    find: 'return column?.isUnique === true ?',
    replace: 'return column !== undefined ?',
    tests: [{ file: SETUP, name: 'when a table has a composite primary key' }],
    why: 'W-REG-4: two rows of one id would be one record to devices.',
  },
  {
    name: 'update-times-may-be-null',
    file: 'lib/schema/problems/time-problems.ts',
    find: 'return updatedAt && (!updatedAt.notNull || updatedAt.mayHoldNull)',
    replace: 'return updatedAt && updatedAt.mayHoldNull && !updatedAt.notNull',
    tests: [{ file: 'test/push/values/null-updated-at.test.ts', name: 'stops pulls loudly' }],
    why: 'W-PULL-3: SDKs drop the delete of such a row, so that it comes back.',
  },
  {
    name: 'rules-that-replace-writes-will-do',
    file: 'lib/schema/problems/write-problems.ts',
    find: 'if (!isPushable(table)) return [];\n  return writeRules.map(',
    replace: 'if (isPushable(table)) return [];\n  return writeRules.map(',
    tests: [{ file: TYPES_PROBLEMS, name: 'unless devices only read them a DO INSTEAD rule' }],
    why: 'W-HOST-25: pushes would be answered as applied, and nothing be there.',
  },
  {
    name: 'unlogged-partitions-will-do',
    file: 'lib/schema/problems/table-problems.ts',
    find: 'return unloggedPartitions.length === 0 ? null : unloggedPartition(table, unloggedPartitions);',
    replace: 'return unloggedPartitions.length >= 0 ? null : unloggedPartition(table, unloggedPartitions);',
    tests: [{ file: TYPES_PROBLEMS, name: 'an unlogged partition is refused by name' }],
    why: 'W-HOST-25: rows there would reach nobody.',
  },
  {
    name: 'versions-of-the-manifest-are-remembered',
    file: 'lib/schema/introspection/schema-token.ts',
    find: "return `concat_ws(' ', ${VERSIONS}${",
    replace: "return `concat_ws(' '${",
    tests: [
      {
        file: 'test/schema/schema-drift.test.ts',
        name: 'have one version for a schema on all instances, also on those that knew another',
      },
    ],
    why: 'W-HOST-90: a device would be answered 409 by every other request.',
  },
];
