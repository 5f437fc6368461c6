import type { Mutation } from './mutation.js';

const FILE = 'test/push/failures/push-server-state.test.ts';

/** What the server's state costs a device. */
export const FAULTS: readonly Mutation[] = [
  {
    name: 'state-of-the-server-is-blamed-on-records',
    file: 'lib/engine/push/writing/group-writer.ts',
    find: 'if (mayBeOfTable(second)) throw new ServerStateError(second, name);',
    replace: '',
    tests: [{ file: FILE, name: 'a create that everybody would fail with' }],
    why: 'W-HOST-39: after five tries, everybody would lose what was typed while the server was unwell.',
  },
  {
    name: 'state-of-the-server-counts-as-a-try',
    file: 'lib/engine/push/failures/split-push.ts',
    find: 'error instanceof ServerStateError ||',
    replace: '',
    tests: [{ file: FILE, name: 'a create that everybody would fail with' }],
    why: 'W-HOST-39: after five tries, everybody would lose what was typed while the server was unwell.',
  },
  {
    name: 'locks-of-others-refuse-changes',
    file: 'lib/engine/push/failures/split-push.ts',
    find: '!failed.isLockWait &&',
    replace: '',
    tests: [{ file: FILE, name: 'on a row costs its change nothing' }],
    why: 'W-HOST-40: a migration that takes its time would cost everybody their changes.',
  },
];
