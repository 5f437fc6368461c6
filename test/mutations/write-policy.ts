import type { Mutation } from './mutation.js';

const POLICY_TEST = 'test/push/write-policy.test.ts';
const DEFERRED_TEST = 'test/push/failures/push-deferred.test.ts';

/** Policies of the host's: who is asked, about what, and what becomes of the answer. */
export const WRITE_POLICY: readonly Mutation[] = [
  {
    name: 'policy-hears-of-what-is-out-of-sight',
    file: 'lib/engine/push/sql/row-sql.ts',
    find: 'return `(${owned} OR EXISTS (',
    replace: 'return `(${owned} OR $4::text[] IS NOT NULL OR EXISTS (',
    tests: [{ file: POLICY_TEST, name: 'never hears of a row that the user does not see' }],
    why: 'W-WRITERS-1: a policy is asked about what the user sees alone, so that no reason tells of another row.',
  },
  {
    name: 'policy-decides-below-an-unseen-parent',
    file: 'lib/engine/push/sql/push-rows.ts',
    find: 'const row = this.secured.has(key) ? byKey.get(key) : undefined;',
    replace: 'const row = byKey.get(key) ?? [...byKey.values(), ...this.rows.values()][0];',
    tests: [{ file: POLICY_TEST, name: 'that the user sees without their parent' }],
    why: 'W-WRITERS-1: a child is not written by the answer about a parent that its user does not see.',
  },
  {
    name: 'refusal-of-a-policy-is-ignored',
    file: 'lib/engine/push/writing/change-processing.ts',
    find: "else if (!('byDefault' in permission)) this.takeAnswer(item, permission);\n    return false;",
    replace: 'return true;',
    tests: [{ file: POLICY_TEST, name: 'false is refused' }],
    why: 'A policy narrows what the owner may do.',
  },
  {
    name: 'create-takes-the-owner-that-a-device-names',
    file: 'lib/engine/push/values/writable-columns.ts',
    find: '      column.name !== ownerColumn &&\n      (!protectedColumns.has(column.name) || column.name === parentFkColumn),',
    replace:
      '      (!protectedColumns.has(column.name) || [parentFkColumn, ownerColumn].includes(column.name)),',
    tests: [{ file: POLICY_TEST, name: "are the user's, whatever owner the device names" }],
    why: 'W-WRITERS-2: a create is not made in the name of another user.',
  },
  {
    name: 'child-that-comes-with-its-parent-is-not-asked-about',
    file: 'lib/engine/push/writing/change-processing.ts',
    find: 'const ready = await this.decided(run.filter((write) => this.mayWrite(write)));',
    replace: 'const ready = run.filter((write) => this.mayWrite(write));',
    tests: [{ file: POLICY_TEST, name: 'that come with their parent' }],
    why: 'W-WRITERS-3: the rule in SQL would let it pass the policy.',
  },
  {
    name: 'pair-is-written-past-its-policy',
    file: 'lib/engine/push/writing/push-run.ts',
    find: 'if (!group.every((write) => this.tools.permissions.isDecided(write))) return false;',
    replace: '',
    tests: [{ file: DEFERRED_TEST, name: 'is not written past a policy' }],
    why: 'W-WRITERS-3: the same for rows that hold only together.',
  },
  {
    name: 'policy-is-asked-before-the-locks',
    file: 'lib/resolvers/write-authority.ts',
    find: 'if (this.decider(table) !== null) return true;',
    replace: '',
    tests: [{ file: POLICY_TEST, name: 'a membership that is revoked while the push waits' }],
    why: "W-WRITERS-4: it is asked under the locks of rows that are not the user's, too.",
  },
  {
    name: 'failing-policy-costs-its-neighbours',
    file: 'lib/engine/push/policy/write-permissions.ts',
    find: 'if (asked.length === 1) {',
    replace: 'if (asked.length > 1) return asked.map(() => answer);\n    if (asked.length === 1) {',
    tests: [{ file: POLICY_TEST, name: 'costs the change alone that it fails about' }],
    why: 'W-WRITERS-5, design rule 13: one bad thing costs only itself.',
  },
  {
    name: 'missing-answer-allows',
    file: 'lib/engine/push/policy/answers.ts',
    find: 'if (answer === true) return',
    replace: "if (answer === true || answer === 'yes' || answer === null) return",
    tests: [{ file: POLICY_TEST, name: 'what is no answer allows nothing' }],
    why: 'W-WRITERS-5: nothing is written by a mistake of a policy.',
  },
];
