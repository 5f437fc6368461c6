import type { Mutation } from './mutation.js';

const HOOKS_TEST = 'test/host/hooks.test.ts';
const BEFORE_APPLY = 'test/push/before-apply.test.ts';
const EFFECTS = 'test/push/push-effects.test.ts';
const VERDICTS = 'test/push/push-verdicts.test.ts';

/** The host's own code: hooks, and what they are told. */
export const HOOKS: readonly Mutation[] = [
  {
    name: 'pushes-that-a-hook-fails-are-committed',
    file: 'lib/hooks/hook-runner.ts',
    find: "for (const call of this.calls('onPushAccepted')) await asErrorOfHost(event, async () => call(event));",
    replace:
      "for (const call of this.calls('onPushAccepted')) await asErrorOfHost(event, async () => call(event)).catch(() => null);",
    tests: [{ file: HOOKS_TEST, name: 'fails the whole push when it throws' }],
    why: 'What a host keeps beside its rows would differ from them.',
  },
  {
    name: 'hooks-errors-are-told-of-the-device',
    file: 'lib/hooks/hook-runner.ts',
    find: "if (!(error instanceof SynchroError) || error.code === 'temporarily_unavailable') throw error;",
    replace: "if (!(error instanceof SynchroError) || error.message !== '') throw error;",
    tests: [{ file: HOOKS_TEST, name: 'fails the push by an error of sync that it met elsewhere' }],
    why: 'A 404 about another device would have this one register anew.',
  },
  {
    name: 'refused-devices-may-take-snapshots',
    file: 'lib/engine/snapshot/snapshot.ts',
    find: 'const client = await admit(this.hooks, manager, asked, context);\n      ready(context);',
    replace: 'const client = registered(context);\n      ready(context);',
    tests: [{ file: HOOKS_TEST, name: 'refuses a device that has synced before with 410' }],
    why: 'W-CLI-3: a device that the host refuses would download everything.',
  },
  {
    name: 'last-hook-decides-about-stale-devices',
    file: 'lib/hooks/hook-runner.ts',
    find: 'if (!(await asErrorOfHost(event, async () => call(event)))) return false;',
    replace: 'if (await asErrorOfHost(event, async () => call(event))) return true;',
    tests: [{ file: HOOKS_TEST, name: 'refuses a device that has synced before with 410' }],
    why: 'W-HTTP-3: what one hook refuses another one would allow.',
  },
  {
    name: 'stale-devices-are-a-server-error',
    file: 'lib/http/sync-exception.filter.ts',
    find: '  client_stale: 410,\n',
    replace: '',
    tests: [{ file: HOOKS_TEST, name: 'refuses a device that has synced before with 410' }],
    why: 'W-HTTP-3: the device would try again for ever.',
  },
  {
    name: 'refusals-of-writes-are-not-heard',
    file: 'lib/engine/push/writing/change-processing.ts',
    find: 'return writes.filter((write) => !refusals.has(write));',
    replace: "return writes.filter((write) => write.kind === 'delete' || !refusals.has(write));",
    tests: [{ file: EFFECTS, name: 'may be refused by the host, and the row comes back' }],
    why: 'W-PUSH-18: a delete that the host refuses would take the row away.',
  },
  {
    name: 'hooks-of-one-table-are-asked-about-all',
    file: 'lib/hooks/hook-runner.ts',
    find: '.filter((hook) => hook.table === null || hook.table === table)',
    replace: '.filter((hook) => hook.table === null || table !== undefined)',
    tests: [{ file: BEFORE_APPLY, name: 'of one entity is asked about rows of no other' }],
    why: 'A rule for one table would refuse the rows of another.',
  },
  {
    name: 'exceptions-of-services-fail-pushes',
    file: 'lib/hooks/hook-runner.ts',
    find: 'if (error instanceof HttpException && error.getStatus() < 500)',
    replace: 'if (error instanceof HttpException && error.getStatus() < 400)',
    tests: [{ file: BEFORE_APPLY, name: 'may throw an HttpException of a service' }],
    why: 'What a host’s service refuses would come again with each push.',
  },
  {
    name: 'deleted-rows-stay-deleted',
    file: 'lib/engine/push/writing/judge.ts',
    find: "if (item.operation === 'update' && row.deletedAt !== null) {",
    replace: 'if (row.deletedAt !== null) {',
    tests: [{ file: VERDICTS, name: 'on an own deleted row it restores it' }],
    why: 'W-PUSH-18: nobody could bring back what an offline delete took.',
  },
  {
    name: 'conflicts-that-are-none-are-told',
    file: 'lib/engine/push/writing/judge.ts',
    find: "resolution.winner === 'server' || !isBase(conflict.baseVersion, conflict.serverTime),",
    replace: "resolution.winner === 'server' || conflict.serverTime !== '',",
    tests: [{ file: VERDICTS, name: 'the host gets true conflicts only' }],
    why: 'W-PUSH-19: a host that shows conflicts to people would show every edit.',
  },
  {
    name: 'resolvers-are-not-told-whose-change-it-is',
    file: 'lib/engine/push/writing/judge.ts',
    find: 'userId: this.context.userId,',
    replace: 'userId: this.context.clientId,',
    tests: [{ file: 'test/registry/resolvers.test.ts', name: 'gets everything about both sides' }],
    why: 'W-PUSH-19: a host could not prefer one user’s version.',
  },
];
