import type { Mutation } from './mutation.js';

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
];
