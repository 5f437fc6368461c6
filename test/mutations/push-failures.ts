import type { Mutation } from './mutation.js';

const RAISED = 'test/push/failures/push-raised-errors.test.ts';
const ODD = 'test/push/failures/push-odd-tables.test.ts';
const DEFERRED = 'test/push/failures/push-deferred.test.ts';
const BUDGET = 'test/push/failures/push-budget.test.ts';
const SPLIT = 'test/push/failures/push-split.test.ts';

/** Records that fail: each ends, none holds its device or another record up, and none is refused that could be written. */
export const PUSH_FAILURES: readonly Mutation[] = [
  {
    name: 'every-error-but-data-ends-the-push',
    file: 'lib/engine/push/sql/sqlstate.ts',
    find: 'return !isRerun && (isRetryable(error) || isSchemaRace(error) || isLostPlan(error));',
    replace: "return sqlFailure(error) === 'doubtful';",
    tests: [{ file: RAISED, name: 'what a trigger raises' }],
    why: 'One record whose trigger raises 55000 would hold its device up for ever.',
  },
  {
    name: 'a-change-is-tried-for-ever',
    file: 'lib/engine/push/failures/final-verdicts.ts',
    find: '(counts.get(change) ?? 0) >= MAX_TRIES;',
    replace: '(counts.get(change) ?? 0) < 0 * MAX_TRIES;',
    tests: [
      { file: RAISED, name: 'the tries of a change' },
      {
        file: 'test/pull/unreadable-rows.test.ts',
        name: 'costs a push no other change, and its own change gets',
      },
      {
        file: 'test/push/failures/resolver-errors.test.ts',
        name: 'costs a push the one change that it is asked about',
      },
    ],
    why: 'A device pulls nothing before its push is through.',
  },
  {
    name: 'tries-are-not-forgotten',
    file: 'lib/engine/push/change-applier.ts',
    find: 'if (opened.hasFailed) await tries.forget(',
    replace: 'if (!opened.hasFailed) await tries.forget(',
    tests: [{ file: RAISED, name: 'are forgotten when it succeeds' }],
    why: 'A change that came through would be refused at once when it fails another day.',
  },
  {
    name: 'refused-changes-are-not-kept',
    file: 'lib/engine/push/failures/final-verdicts.ts',
    find: 'await tries.refuse(doubtful.filter(isRefused));',
    replace: '',
    tests: [{ file: RAISED, name: 'end with what was typed kept' }],
    why: 'Rule 8: nothing that a user typed is lost.',
  },
  {
    name: 'no-plain-statements',
    file: 'lib/engine/push/writing/group-writer.ts',
    find: "if (form === 'usual' && REFUSED_FORMS",
    replace: "if (form !== 'usual' && REFUSED_FORMS",
    tests: [{ file: ODD, name: 'a table that takes plain statements only' }],
    why: 'Nothing could be created in a table whose key is deferrable.',
  },
  {
    name: 'every-unique-violation-is-of-the-key',
    file: 'lib/engine/push/sql/key-violation.ts',
    find: 'AND a.attname = $3',
    replace: 'AND $3 IS NOT NULL',
    tests: [{ file: ODD, name: 'unique and exclusion constraints besides the key' }],
    why: 'Interleavings 19: other unique violations would pass for conflicts of keys.',
  },
  {
    name: 'replaced-keys-are-not-rolled-back',
    file: 'lib/engine/push/writing/group-writer.ts',
    find: 'const checksFirst = this.context.isRerun === true;',
    replace: 'const checksFirst = this.context.isRerun === null;',
    tests: [{ file: ODD, name: 'a trigger that gives a record another key' }],
    why: 'What is refused would be stored, and again with each retry.',
  },
  {
    name: 'replaced-keys-are-not-noticed',
    file: 'lib/engine/push/writing/group-writer.ts',
    find: '.length < rows.length) throw new KeyReplacedError();',
    replace: '.length < 0 * rows.length) throw new KeyReplacedError();',
    tests: [{ file: ODD, name: 'a trigger that gives a record another key' }],
    why: 'What is refused would be stored, and again with each retry.',
  },
  {
    name: 'rows-that-are-given-away-count-as-own',
    file: 'lib/engine/push/sql/write-sql.ts',
    find: "return `coalesce(${ownedSql(registry, contract.table, 't', user)}, false)`;",
    replace: "return `(true OR ${ownedSql(registry, contract.table, 't', user)})`;",
    tests: [{ file: ODD, name: 'a trigger that gives a record away' }],
    why: 'The device would keep a row that is another user’s, and never hear of it.',
  },
  {
    name: 'nothing-is-written-together',
    file: 'lib/engine/push/writing/push-session.ts',
    find: 'if (await this.writeAll(writes)) hasWritten = true;\n    }',
    replace: 'if (writes.length < 0) hasWritten = true;\n    }',
    also: [
      {
        file: 'lib/engine/push/writing/push-session.ts',
        find: 'for (const writes of clusters(failed.refusedWrites)) if (await this.writeAll(writes))',
        replace: 'for (const writes of clusters(failed.refusedWrites)) if (writes.length < 0)',
      },
    ],
    tests: [{ file: DEFERRED, name: 'rows that refer to each other' }],
    why: 'Interleavings 18: what plain SQL commits would be refused.',
  },
  {
    name: 'everything-is-written-together-or-nothing',
    file: 'lib/engine/push/writing/closures.ts',
    find: 'return distinct(writes.map((write) => [...reachable(write, needs)]));',
    replace: 'return needs.size < 0 ? [] : distinct([writes]);',
    tests: [{ file: DEFERRED, name: 'a bad one that needs a good pair' }],
    why: 'One bad record would take good ones along that refer to each other.',
  },
  {
    name: 'constraints-stay-deferred-after-a-group',
    file: 'lib/engine/push/writing/group-writer.ts',
    find: "StatementBatch.silent(constraints === 'DEFERRED' ? [CHECK_NOW] : [])",
    replace: "StatementBatch.silent(constraints === 'DEFERRED' ? [] : [CHECK_NOW])",
    tests: [{ file: DEFERRED, name: 'nothing is left to fail at COMMIT' }],
    why: 'Interleavings 18: the COMMIT would fail, after everyone was told that all is well.',
  },
  {
    name: 'groups-are-split-without-end',
    file: 'lib/engine/push/failures/failure-budget.ts',
    find: 'return this.failed >= MOST_SPLITS || this.isLate;',
    replace: 'return this.failed >= 1000 * MOST_SPLITS;',
    tests: [{ file: BUDGET, name: 'a device gets through' }],
    why: 'One push would keep a connection busy for as long as its device likes.',
  },
  {
    name: 'integers-are-left-to-the-database',
    file: 'lib/engine/push/values/unfit-value.ts',
    find: 'return integer > most || integer < -most - 1n;',
    replace: 'return integer === 0n && most < 0n;',
    tests: [{ file: BUDGET, name: 'integers beyond their column' }],
    why: 'Each of thousands of them would be looked for by halving.',
  },
  {
    name: 'verdicts-have-any-size',
    file: 'lib/engine/push/verdicts.ts',
    find: 'version === undefined || left >= 0 ? result : rest',
    replace: 'version === undefined || left >= -Infinity ? result : rest',
    tests: [{ file: BUDGET, name: 'an answer has a bound in bytes' }],
    why: 'Rule 12: 2,000 stale updates of one large row would make an answer of 400 MB.',
  },
  {
    name: 'conflicts-without-a-version-are-not-told-again',
    file: 'lib/engine/push/corrections.ts',
    find: "new Set(['rejected_terminal', 'conflict'])",
    replace: "new Set(['rejected_terminal'])",
    tests: [{ file: BUDGET, name: 'an answer has a bound in bytes' }],
    why: 'The device would keep its own version beside the one of the server.',
  },
  {
    name: 'pushes-are-never-split',
    file: 'lib/engine/push/failures/split-push.ts',
    find: 'tries >= SPLIT_AFTER);',
    replace: 'tries < 0 * SPLIT_AFTER);',
    tests: [{ file: SPLIT, name: 'is applied without it in the end' }],
    why: 'A hook that throws for one record would hold its device up for ever.',
  },
  {
    name: 'pushes-that-fail-in-reading-wait-to-be-split',
    file: 'lib/engine/push/failures/split-push.ts',
    find: 'return isOfRecord || [',
    replace: 'return (isOfRecord && changes.length < 0) || [',
    tests: [{ file: SPLIT, name: 'as a policy fails in reading' }],
    why: 'One row whose policy fails would cost its neighbours their place.',
  },
  {
    name: 'hooks-that-ask-to-wait-are-overruled',
    file: 'lib/engine/push/failures/split-push.ts',
    find: `isUnstorable(error) ||
        asksToWait(error)`,
    replace: 'isUnstorable(error) || (asksToWait(error) && changes.length < 0)',
    tests: [{ file: SPLIT, name: 'a hook that asks devices to come later' }],
    why: 'Edits would be refused for good while the host asks for patience.',
  },
];
