import type { Mutation } from './mutation.js';

const HUB = 'test/live/hub.test.ts';
const WATCHER = 'test/live/watcher.test.ts';
const ENDS = 'test/live/ends.test.ts';
const OWN_WRITES = 'test/pull/read-own-writes.test.ts';

/** How devices hear of changes, and of their own. */
export const LIVE: readonly Mutation[] = [
  {
    name: 'a-pull-does-not-wait-for-the-push',
    file: 'lib/engine/pull/pull.ts',
    find: 'await awaitCommit(this.requests, after, waitMs)',
    replace: 'await awaitCommit(this.requests, after, 0 * waitMs)',
    tests: [{ file: OWN_WRITES, name: 'is answered while it waits' }],
    why: 'A device would not see what it has just written.',
  },
  {
    name: 'the-token-is-of-the-first-part-of-a-push',
    file: 'lib/engine/push/push.ts',
    find: 'commit !== null && (last ?? -1n) < commit ? commit : last',
    replace: 'last === null ? commit : last',
    tests: [{ file: OWN_WRITES, name: 'waits for all parts of a push that one bad change has split' }],
    why: 'A pull would miss what a later transaction of the same push wrote.',
  },
  {
    name: 'any-position-is-announced',
    file: 'lib/store/changelog/wal-progress.ts',
    find: "least($2::numeric, pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::text",
    replace: '($2::numeric)::text',
    tests: [{ file: OWN_WRITES, name: 'has the consumer remember no position that never comes' }],
    why: 'The consumer would keep every position that a device makes up.',
  },
  {
    name: 'a-look-that-failed-is-not-repeated',
    file: 'lib/live/head-watcher.ts',
    find: '    const growth = {',
    replace: '    this.position = head;\n    const growth = {',
    tests: [{ file: WATCHER, name: 'loses nothing while the database is away' }],
    why: 'Entries that were read of when the database went away would wake nobody.',
  },
  {
    name: 'a-mark-in-the-log-wakes-nobody',
    file: 'lib/live/head-watcher.ts',
    find: 'if (count === to - from) return buckets;',
    replace: 'if (count <= to - from) return buckets;',
    tests: [{ file: WATCHER, name: 'names the devices that were sent to a snapshot' }],
    why: 'A device that needs a snapshot would not hear of it.',
  },
  {
    name: 'who-connects-trusts-an-old-answer',
    file: 'lib/live/head-watcher.ts',
    find: 'if (this.isRunning) return this.position.lastSeq > read.lastSeq;',
    replace: 'if (this.isRunning) return false;',
    tests: [{ file: WATCHER, name: 'has a later one read again what was said meanwhile' }],
    why: 'What was said between the answer and the place in the hub would wake that device never.',
  },
  {
    name: 'a-crowd-is-woken-at-once',
    file: 'lib/live/live-hub.ts',
    find: 'delay: place * step',
    replace: 'delay: 0 * place * step',
    tests: [{ file: HUB, name: 'wakes a crowd spread' }],
    why: 'Ten thousand pulls would come at one instant.',
  },
  {
    name: 'who-does-not-read-is-kept',
    file: 'lib/live/live-connection.ts',
    find: 'if (this.sink.unsent > MOST_UNSENT)',
    replace: 'if (this.sink.unsent > MOST_UNSENT * Infinity)',
    tests: [{ file: HUB, name: 'ends who has more unsent than it should' }],
    why: 'Design, rules 12 and 13: a device that reads too slowly costs memory without end.',
  },
  {
    name: 'pokes-come-before-the-greeting',
    file: 'lib/live/live-connection.ts',
    find: "if (this.state === 'open' && (pending === null",
    replace: "if (this.state !== 'closed' && (pending === null",
    tests: [{ file: HUB, name: 'tells nothing before the greeting' }],
    why: 'The answer would have no head.',
  },
  {
    name: 'a-stream-keeps-the-place-of-a-request',
    file: 'lib/http/live/live-endpoint.ts',
    find: 'this.admission.release(response);',
    replace: 'if (connection.isClosed) this.admission.release(response);',
    tests: [{ file: ENDS, name: 'take none of the user’s requests' }],
    why: 'A user with four connected devices could neither pull nor push.',
  },
  {
    name: 'who-has-gone-stays-in-the-hub',
    file: 'lib/http/live/live-endpoint.ts',
    find: "takeOver(response).once('close', () => connection.close());",
    replace: 'takeOver(response);',
    tests: [{ file: ENDS, name: 'are refused beyond maxConnections' }],
    why: 'Memory and places would be lost with every device that goes.',
  },
  {
    name: 'middleware-may-compress-a-stream',
    file: 'lib/http/live/event-stream.ts',
    find: "'no-store, no-transform'",
    replace: "'no-store'",
    tests: [{ file: 'test/http/live-hosts.test.ts', name: 'streams through compression' }],
    why: 'Pokes would wait until there are enough of them to compress.',
  },
  {
    name: 'who-is-locked-out-listens-on',
    file: 'lib/live/head-watcher.ts',
    find: 'if (head.disconnect > position.disconnect)\n      events.onDisconnects(await reads.disconnects(position.disconnect));',
    replace: '',
    tests: [{ file: 'test/live/stream.test.ts', name: 'cuts off a user whom the host disconnects' }],
    why: 'W-LIVE-4: a locked out user or a revoked device would hear of what comes.',
  },
  {
    name: 'streams-do-not-end-with-the-app',
    file: 'lib/live/live.ts',
    find: "for (const connection of all) connection.end('shutdown', all.length);",
    replace: '',
    tests: [{ file: 'test/http/live-hosts.test.ts', name: 'on Express stops with the app' }],
    why: 'W-LIVE-6: a deployment would wait for every device that is connected.',
  },
  {
    name: 'devices-are-woken-before-the-commit',
    file: 'lib/replication/durable-position.ts',
    find: 'await durable;',
    replace: 'if (position.lastSeq > this.durable.lastSeq) this.onAppended();\n    await durable;',
    also: [
      {
        file: 'lib/live/live.ts',
        find: 'signal.onGrown(() => this.watcher.readSoon());',
        replace:
          'signal.onGrown(() => hub.wakeAll({ checkpoint: this.watcher.lastSeq + 1n, committedAt: performance.now() }));',
      },
    ],
    tests: [{ file: 'test/live/nothing-lost.test.ts', name: 'none comes before its data can be pulled' }],
    why: 'W-LIVE-10: the device would pull nothing, and hear of the change never again.',
  },
  {
    name: 'live-connections-that-fail-keep-their-place',
    file: 'lib/live/live.ts',
    find: 'connection.close();\n        throw error;',
    replace: 'throw error;',
    tests: [{ file: 'test/live/ends.test.ts', name: 'keep no place where the database fails behind it' }],
    why: 'W-LIVE-12: after a failover nobody could connect until the instance is started again.',
  },
];
