import type { Mutation } from './mutation.js';

const OWNERSHIP_TEST = 'test/push/push-ownership.test.ts';
const VALIDATORS = 'test/push/before-apply.test.ts';

/** Who may write what, and what an answer may tell. */
export const OWNERSHIP: readonly Mutation[] = [
  {
    name: 'nobody-checks-who-owns-a-row',
    file: 'lib/store/host-rows/ownership-sql.ts',
    find: 'if (own !== null) return own;',
    replace: 'if (own !== null) return `(${own} OR true)`;',
    tests: [{ file: OWNERSHIP_TEST, name: "pushes as superuser another user's row that the user can't see" }],
    why: 'W-PUSH-4, W-PUSH-6: any user could update, delete and restore the rows of all.',
  },
  {
    name: 'update-does-not-check-the-owner',
    file: 'lib/engine/push/sql/write-sql.ts',
    find: "${group.granted ? 'true' : changeCheck(registry, group)}",
    replace: '$2::text IS NOT NULL',
    tests: [{ file: VALIDATORS, name: 'gives the row to somebody else' }],
    why: 'Design, rule 2: write authority is checked in the statement that writes, also for updates, deletes, undeletes.',
  },
  {
    name: 'create-does-not-check-the-parent',
    file: 'lib/engine/push/sql/write-sql.ts',
    find: 'return hasOwnWriteRule(table) ? `(${value} IS NULL OR ${owned})` : owned;',
    replace: 'return `(${value} IS NULL OR ${owned} OR true)`;',
    tests: [{ file: VALIDATORS, name: 'gives the parent to somebody else' }],
    why: 'Design, rule 2: the same holds for a create, through the parent chain.',
  },
  {
    name: 'create-counts-on-any-parent',
    file: 'lib/engine/push/sql/push-rows.ts',
    find: 'return key !== null && this.secured.has(key);',
    replace: 'return key !== null;',
    tests: [
      {
        file: OWNERSHIP_TEST,
        name: 'pushes as superuser a child without a parent that can exist is terminal',
      },
      { file: OWNERSHIP_TEST, name: 'pushes as superuser a child [scenario 125]' },
    ],
    why: 'Interleavings 11: a child is written under a parent that is locked, or by this push.',
  },
  {
    name: 'owner-is-not-judged',
    file: 'lib/engine/push/writing/judge.ts',
    find: 'if (!row.owned) return notOwned(item, row);',
    replace: '',
    tests: [{ file: OWNERSHIP_TEST, name: "pushes as superuser a row that the user sees, but doesn't own" }],
    why: 'W-PUSH-3: the device takes its change back, with the reason.',
  },
  {
    name: 'rows-of-others-are-locked',
    file: 'lib/engine/push/sql/row-sql.ts',
    find: '${isBySight ? seenSql(registry, context, contract, owned) : owned}\n     ORDER BY',
    replace: '($2::text IS NOT NULL)\n     ORDER BY',
    tests: [
      { file: 'test/push/push-concurrency.test.ts', name: "doesn't wait for a push that has been refused" },
    ],
    why: 'Design, rule 2: what is not the user’s does not exist; a stranger must not hold its owner up.',
  },
  {
    name: 'answers-show-what-the-user-can-not-see',
    file: 'lib/engine/push/sql/row-sql.ts',
    find: '(${owned} OR EXISTS (',
    replace: '(true OR EXISTS (',
    tests: [{ file: OWNERSHIP_TEST, name: "pushes as superuser another user's row that the user can't see" }],
    why: 'W-PUSH-5: pushing a guessed id would tell the content of the row.',
  },
  {
    name: 'answers-go-by-edges-of-any-bucket',
    file: 'lib/engine/push/sql/row-sql.ts',
    find: 'e.record_id = ${keySql(contract)}::text COLLATE "C" AND e.bucket_id = ANY($4::text[])',
    replace: 'e.record_id = ${keySql(contract)}::text COLLATE "C" AND $4::text[] IS NOT NULL',
    tests: [{ file: OWNERSHIP_TEST, name: "an edge in a bucket that the user doesn't read shows nothing" }],
    why: 'Design, rule 1: an edge shows a row to who reads its bucket.',
  },
  {
    name: 'answers-show-rows-that-have-moved-on',
    file: 'lib/engine/push/sql/row-sql.ts',
    find: 'isSeenByDefaultRule?.(table) === true',
    replace: 'isSeenByDefaultRule?.(table) === null',
    tests: [
      {
        file: 'test/pull/hydration-race.test.ts',
        name: "a push's conflict answer shows nothing of it either",
      },
    ],
    why: 'Interleavings 9: a row that was given away is not told of, though its edge is still there.',
  },
  {
    name: 'own-row-without-edges-is-invisible',
    file: 'lib/engine/push/sql/row-sql.ts',
    find: '(${owned} OR EXISTS (',
    replace: '(EXISTS (',
    tests: [{ file: OWNERSHIP_TEST, name: 'an own row without edges is visible to its device' }],
    why: 'Interleavings 10: a device edits its row before the consumer has seen it.',
  },
  {
    name: 'protected-columns-are-writable',
    file: 'lib/engine/push/values/writable-columns.ts',
    find: 'isWritten(column, data) && !contract.table.protectedColumns.has(column.name),',
    replace: 'isWritten(column, data),',
    tests: [
      {
        file: 'test/push/values/push-writable-columns.test.ts',
        name: 'of what a client sends, an update takes',
      },
    ],
    why: 'W-PUSH-20: a device could move the parent key, the owner, or the time by which it wins.',
  },
  {
    name: 'configured-times-are-writable',
    file: 'lib/registry/table-builder.ts',
    find: 'const times = [createdAtColumn, updatedAtColumn, deletedAtColumn];',
    replace: 'const times = [createdAtColumn];',
    tests: [{ file: 'test/registry/table-options.test.ts', name: 'W-REG-1' }],
    why: 'W-REG-1: last write wins could be forged.',
  },
  {
    name: 'read-only-tables-are-writable',
    file: 'lib/engine/push/check-change.ts',
    find: "if (table.table.pushPolicy === 'disabled')",
    replace: "if (table.table.pushPolicy === 'disabled' && table.table.ownerColumn === null)",
    tests: [{ file: 'test/registry/table-options.test.ts', name: 'pushPolicy disabled lets nobody write' }],
    why: 'Configuration page: a table with pushPolicy disabled is read-only, for its owner too.',
  },
];
