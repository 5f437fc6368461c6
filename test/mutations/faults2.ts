import type { Mutation } from './mutation.js';

const UNREADABLE = 'test/pull/unreadable-rows.test.ts';
const TRIGGERS = 'test/push/failures/trigger-deletes.test.ts';

/** Rows, codes and headers of the host's, or of its devices, that stop more than themselves. */
export const FAULTS2: readonly Mutation[] = [
  {
    name: 'rows-that-can-not-be-read-stop-their-readers',
    file: 'lib/engine/request/request-transactions.ts',
    find: 'if (!isDataError(error)) throw error;',
    replace: 'if (isDataError(error)) throw error;',
    tests: [{ file: UNREADABLE, name: "with a policy of the host's, is left out of a snapshot" }],
    why: 'W-HOST-42: everybody who reads the row would be answered 500 for ever.',
  },
  {
    name: 'rows-that-could-not-be-read-are-forgotten',
    file: 'lib/engine/rows/unreadable-rows.ts',
    find: 'recordIds, forceNewerTimestamp: true, later: true });',
    replace: 'recordIds: recordIds.slice(recordIds.length), forceNewerTimestamp: true, later: true });',
    tests: [{ file: UNREADABLE, name: "with a policy of the host's, comes without a change of its own" }],
    why: 'W-HOST-43: a row that can be read again, as its policy was fixed, would never come.',
  },
  {
    name: 'rows-that-can-not-be-read-are-named-by-each-pull',
    file: 'lib/engine/rows/unreadable-rows.ts',
    find: 'now - last > NAMED_AGAIN_MS',
    replace: 'now > last - NAMED_AGAIN_MS',
    tests: [{ file: UNREADABLE, name: 'is named in the log, once however many devices ask for it' }],
    why: 'W-HOST-44: a row that is read by many would fill the log.',
  },
  {
    name: 'creates-that-come-again-bring-deleted-rows-back',
    file: 'lib/engine/push/writing/judge.ts',
    find: "if (resolution.winner === 'server') {",
    replace: "if (resolution.winner === 'server' && !isUndelete) {",
    tests: [{ file: TRIGGERS, name: 'stays deleted when its create is sent again' }],
    why: 'W-HOST-47: what a trigger deleted would come back by the retry of a lost answer.',
  },
  {
    name: 'rows-that-are-born-deleted-stay-on-their-device',
    file: 'lib/engine/push/writing/written.ts',
    find: 'return row.deletedAt === null ? taken :',
    replace: "return row.deletedAt !== '' ? taken :",
    tests: [{ file: TRIGGERS, name: 'is gone from its device: created dead' }],
    why: 'W-HOST-46: the log has nothing to say of a row that never was there.',
  },
  {
    name: 'rows-that-are-made-for-others-stay-on-their-device',
    file: 'lib/engine/push/writing/push-session.ts',
    find: '[...this.hidden, ...this.processing.written.madeForOthers]',
    replace: '[...this.hidden]',
    tests: [{ file: TRIGGERS, name: 'is gone from its device: created given' }],
    why: 'W-HOST-46: the device would keep a row that its user is not to read.',
  },
  {
    name: 'rows-that-look-like-an-outage-stop-the-log',
    file: 'lib/replication/rules/bucket-rules.ts',
    find: 'budget.isOfRows ||= !(await this.health.isDown());',
    replace: 'await this.health.isDown();',
    tests: [
      {
        file: 'test/replication/rules/wal-rule-failures.test.ts',
        name: 'as if something were down (ECONNREFUSED)',
      },
    ],
    why: 'W-HOST-48: one row for which the resolver always throws ECONNREFUSED would stop every user for ever.',
  },
  {
    name: 'outages-of-a-resolver-are-waited-out-for-ever',
    file: 'lib/replication/resolver-health.ts',
    find: 'return this.now() - this.failingSince < PATIENCE_MS;',
    replace: 'return this.failingSince >= 0;',
    tests: [{ file: 'test/replication/rules/resolver-health.test.ts', name: 'a minute at most' }],
    why: 'W-HOST-49: where the row that was known to work fails too, nothing would ever be applied again.',
  },
  {
    name: 'changes-that-are-only-doubtful-count-as-refused',
    file: 'lib/store/status-sql.ts',
    find: ':sync.sync_push_failures WHERE refused_at IS NOT NULL',
    replace: ':sync.sync_push_failures WHERE attempts > 0',
    tests: [{ file: 'test/operations/status.test.ts', name: 'names the changes that were refused last' }],
    why: 'W-HOST-51: an operator would look for what was lost among what is still tried.',
  },
  {
    name: 'codings-have-a-case',
    file: 'lib/http/bodies/pending-body.ts',
    find: 'coding.trim().toLowerCase()',
    replace: 'coding.trim()',
    tests: [{ file: 'test/http/bodies/body-guards.test.ts', name: 'however that is spelled' }],
    why: 'W-HOST-52: RFC 9110 makes no difference between identity and Identity; a device would be refused for ever.',
  },
  {
    name: 'policies-know-no-resolver',
    file: 'lib/store/rls/rls.ts',
    find: 'bucketSources.length > 0 || options.ownershipResolver === true',
    replace: 'bucketSources.length > 0',
    tests: [{ file: 'test/store/rls-by-bucket.test.ts', name: 'nor is a row without an owner' }],
    why: "W-HOST-53: the second wall would let everyone read what a resolver puts into a team's bucket.",
  },
  {
    name: 'wal-that-can-not-be-decoded-is-tried-for-ever',
    file: 'lib/replication/slot/undecodable-wal.ts',
    find: 'position !== this.position || this.sessions < this.patience',
    replace: 'position !== this.position || this.sessions < 1_000 * this.patience',
    tests: [
      {
        file: 'test/replication/slot/undecodable-wal.test.ts',
        name: 'rows behind WAL that the server can not decode arrive, with a new slot',
      },
    ],
    why: 'W-HOST-100: no device would hear of anything any more.',
  },
  {
    name: 'migrations-give-up-at-a-deadlock',
    file: 'lib/store/migrations/migration-runner.ts',
    find: 'const MOST_DEADLOCKS = 5;',
    replace: 'const MOST_DEADLOCKS = 0;',
    tests: [
      {
        file: 'test/store/migration-deadlock.test.ts',
        name: 'an app starts though its migrations are the victim of a deadlock',
      },
    ],
    why: 'W-HOST-101: in a rolling deploy the new version would not start.',
  },
];
