import type { Mutation } from './mutation.js';

const REMOVALS = 'test/push/removals.test.ts';
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
    find: 'if (isRemoval(item)) return alreadyDeleted(item.echo);',
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
    name: 'removals-are-not-tried-backwards',
    file: 'lib/engine/push/writing/push-run.ts',
    find: 'await this.tryEach(removals.toReversed());',
    replace: '',
    tests: [{ file: REMOVALS, name: 'in whatever order' }],
    why: 'W-FIT-7: a chain of rows could not be deleted in one push.',
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
    find: 'row.updatedAt === null || (grew',
    replace: '(grew',
    tests: [{ file: 'test/replication/membership/edge-diff.test.ts', name: 'a row without a time' }],
    why: 'W-FIT-13: what changed unseen in such a table would never reach devices.',
  },
];
