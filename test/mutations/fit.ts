import type { Mutation } from './mutation.js';

const REMOVALS = 'test/push/removals.test.ts';
const OTHER_KEYS = 'test/host/other-keys.test.ts';
const KEY_COLUMNS = 'test/schema/key-columns.test.ts';
const TIMELESS = 'test/pull/tables-without-times.test.ts';

/** What lets tables be as they are: without times, with keys of other kinds. */
export const FIT: readonly Mutation[] = [
  {
    name: 'removed-rows-are-still-there-for-the-push',
    file: 'lib/engine/push/writing/change-processing.ts',
    find: 'this.state.rows.remove(item);\n      this.hasRemoved = true;',
    replace: 'this.state.rows.put(item, row);',
    tests: [{ file: REMOVALS, name: 'follow each other within a push [W-FIT-4]' }],
    why: 'W-FIT-4: a create that follows a delete would be an update of no row.',
  },
  {
    name: 'rows-that-went-with-another-are-refused',
    file: 'lib/engine/push/writing/change-processing.ts',
    find: 'return this.state.rows.get(item) === undefined;',
    replace: 'return false;',
    tests: [{ file: REMOVALS, name: 'children that went with their parent' }],
    why: 'W-FIT-5: a device would get a row back that is deleted.',
  },
  {
    name: 'removals-lock-like-updates',
    file: 'lib/engine/push/sql/push-rows.ts',
    find: "isRemoval(item) ? 'UPDATE' : 'NO KEY UPDATE'",
    replace: "'NO KEY UPDATE'",
    tests: [{ file: REMOVALS, name: 'without a deadlock' }],
    why: 'W-FIT-8: a delete would take its lock in two steps, and deadlock with who makes a child meanwhile.',
  },
  {
    name: 'hosts-hear-of-deletes-of-nothing',
    file: 'lib/engine/push/writing/change-processing.ts',
    find: "if (verdict.accepted && !(verdict.reason_code === 'already_deleted' && isRemoval(item)))",
    replace: 'if (verdict.accepted)',
    tests: [{ file: REMOVALS, name: 'the retry of a delete' }],
    why: 'W-FIT-2: a hook would act on any id that a device makes up.',
  },
  {
    name: 'removals-are-told-apart-from-nothing',
    file: 'lib/engine/push/writing/judge.ts',
    find: 'if (isRemoval(item)) return alreadyDeleted(item.ref);',
    replace: '',
    tests: [{ file: REMOVALS, name: 'the retry of a delete' }],
    why: 'W-FIT-2: a delete whose answer was lost would be refused.',
  },
  {
    name: 'restrict-is-no-reference',
    file: 'lib/engine/push/sql/sqlstate.ts',
    find: "['23001', 'reference'],",
    replace: '',
    tests: [{ file: REMOVALS, name: 'a row that others refer to' }],
    why: 'W-FIT-6: a device would not be told why its delete was refused.',
  },
  {
    name: 'virtual-times-are-not-told',
    file: 'lib/schema/wire-json.ts',
    find: 'columns: [...columns, ...virtualColumns].map(schemaColumn),',
    replace: 'columns: columns.map(schemaColumn),',
    tests: [{ file: TIMELESS, name: 'the contract has the columns' }],
    why: 'W-FIT-9: SDKs make triggers on a column that their table would not have.',
  },
  {
    name: 'rows-without-a-time-have-none',
    file: 'lib/engine/rows/hydrator.ts',
    find: 'nullable === false) return own;',
    replace: 'nullable !== null) return own;',
    tests: [{ file: TIMELESS, name: 'the time of their commit' }],
    why: 'W-FIT-12: every version of such a row would be of 1970.',
  },
  {
    name: 'rows-without-a-time-are-never-compared',
    file: 'lib/replication/membership/edge-diff.ts',
    find: "if (row.cause === 'reresolved' && record.rowMicros !== null) return undefined;",
    replace: 'if (!isChange(row) && record.rowMicros !== null) return undefined;',
    tests: [{ file: 'test/replication/membership/edge-diff.test.ts', name: 'a row without a time' }],
    why: 'W-FIT-13: what changed unseen in such a table would never reach devices.',
  },
  {
    name: 'devices-choose-serial-keys',
    file: 'lib/engine/push/writing/judge.ts',
    find: "if (item.table.hasServerKeys) return terminal(item.ref, 'key_is_generated', KEY_IS_GENERATED);",
    replace: '',
    tests: [{ file: OTHER_KEYS, name: 'a create under a key that a sequence gives out' }],
    why: "W-FIT-19: a device that pushes the next keys would keep everybody's inserts from working.",
  },
  {
    name: 'devices-choose-serial-columns',
    file: 'lib/schema/contract-builder.ts',
    find: "column.identity === 'always' || isCounted;",
    replace: "column.identity === 'always' || (isCounted && column.generated);",
    tests: [{ file: OTHER_KEYS, name: "a device's choice of a serial key" }],
    why: 'W-FIT-18: the same by the serial key beside the id.',
  },
  {
    name: 'partly-unique-columns-are-keys',
    file: 'lib/schema/introspection/introspection.ts',
    find: 'AND u.indpred IS NULL AND (u.indimmediate',
    replace: 'AND (u.indimmediate',
    tests: [{ file: KEY_COLUMNS, name: 'is none that is unique for some rows only' }],
    why: 'W-FIT-21: two rows would be one record to devices.',
  },
  {
    name: 'ids-need-no-replica-identity',
    file: 'lib/replication/slot/preflight.ts',
    find: "const hasOtherKey = row.identity === 'd' && row.id_index === null;",
    replace: "const hasOtherKey = row.identity === 'd';",
    tests: [{ file: KEY_COLUMNS, name: 'has to be in the replica identity' }],
    why: 'W-FIT-22: rows that are deleted would stay on devices.',
  },
  {
    name: 'children-may-refer-to-another-key',
    file: 'lib/registry/table-builder.ts',
    find: 'if (referencedColumn === undefined || referencedColumn.databaseName === id) return;',
    replace: 'if (referencedColumn === undefined || id !== undefined) return;',
    tests: [{ file: KEY_COLUMNS, name: 'is what children refer to' }],
    why: "W-FIT-23: a child would be its parent's who has that number by chance.",
  },
];
