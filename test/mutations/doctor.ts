import type { Mutation } from './mutation.js';

const TEST = 'test/operations/doctor.test.ts';
const CLI = 'test/operations/cli.test.ts';

/** The doctor and the command line. */
export const DOCTOR: readonly Mutation[] = [
  {
    name: 'partial-indexes-will-do',
    file: 'lib/operations/doctor/index-problems.ts',
    find: ' AND i.indisvalid AND i.indpred IS NULL)',
    replace: ' AND i.indisvalid)',
    tests: [{ file: TEST, name: 'a foreign key whose only index is partial' }],
    why: 'Each row that moves would make the whole table be read.',
  },
  {
    name: 'disabled-triggers-move-times',
    file: 'lib/operations/doctor/updated-at-problems.ts',
    find: "AND t.tgenabled IN ('O', 'A') AND NOT t.tgisinternal",
    replace: 'AND NOT t.tgisinternal',
    tests: [{ file: TEST, name: 'an update time whose trigger is disabled' }],
    why: 'The doctor would find nothing where older edits win over newer rows.',
  },
  {
    name: 'idle-slots-may-keep-any-wal',
    file: 'lib/operations/doctor/slot-problems.ts',
    find: 'if (slot.active || retained <= BigInt(maxRetainedWal)) return [];',
    replace: 'if (!slot.active || retained <= BigInt(maxRetainedWal)) return [];',
    tests: [{ file: TEST, name: 'a slot that nobody reads and that keeps too much WAL' }],
    why: 'A slot that was left behind would fill the disk.',
  },
  {
    name: 'policies-of-the-push-role-are-not-looked-at',
    file: 'lib/operations/doctor/rls-problems.ts',
    find: 'coalesce($2, current_user)',
    replace: 'coalesce(current_user, $2)',
    tests: [{ file: TEST, name: 'policies do not bind it, as it' }],
    why: 'Who counts on policies would not hear that nothing obeys them.',
  },
  {
    name: 'missing-publications-are-always-made',
    file: 'lib/operations/doctor/publication-gaps.ts',
    find: 'if (!first || (!first.exists && first.creatable)) return [];',
    replace: 'if (!first?.exists) return [];',
    tests: [{ file: TEST, name: 'may neither replicate nor make the publication' }],
    why: 'The first start would fail where the doctor has found nothing.',
  },
  {
    name: 'advice-fails-the-doctor',
    file: 'lib/cli/commands.ts',
    find: 'const ok = problems.every(({ isAdvice }) => isAdvice);',
    replace: 'const ok = problems.length === 0;',
    tests: [{ file: CLI, name: 'is not what the exit status is about [W-SDK-7]' }],
    why: 'W-SDK-7: the check of a deployment would fail for README’s own entity.',
  },
  {
    name: 'update-times-that-stay-are-a-fault',
    file: 'lib/operations/doctor/updated-at-problems.ts',
    find: '    isAdvice: true,\n',
    replace: '',
    tests: [{ file: CLI, name: 'is not what the exit status is about [W-SDK-7]' }],
    why: 'W-SDK-7: the check of a deployment would fail for README’s own entity.',
  },
  {
    name: 'command-line-shows-passwords',
    file: 'lib/cli/command-line.ts',
    find: 'output.err(withoutPasswords(text.trimEnd()))',
    replace: 'output.err(text.trimEnd() || withoutPasswords(text))',
    tests: [{ file: CLI, name: 'shows no password [W-LOAD-10]' }],
    why: 'W-LOAD-10: the log of a build would have the password of the database.',
  },
];
