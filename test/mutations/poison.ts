import type { Mutation } from './mutation.js';

const ROWS = 'test/replication/rules/poison-rows.test.ts';
const LENGTHS = 'test/push/values/text-lengths.test.ts';

/** Rows and texts that can't be written, and those beside them. */
export const POISON: readonly Mutation[] = [
  {
    name: 'seqs-of-what-was-taken-back-are-lost',
    file: 'lib/store/changelog/changelog-transaction.ts',
    find: 'if (failure !== null) this.seq = seq;',
    replace: 'if (failure !== null) this.seq = this.seq > seq ? this.seq : seq;',
    tests: [{ file: ROWS, name: 'a trigger on the log, in place 149' }],
    why: 'Rule 3: seqs are counted, so that what was not written leaves no gaps.',
  },
  {
    name: 'rows-that-can-not-be-written-stop-the-log',
    file: 'lib/replication/membership/poison-rows.ts',
    find: 'if (rows.length === 0) throw failure;',
    replace: 'if (rows.length > 0) throw failure;',
    tests: [{ file: ROWS, name: 'a trigger on the edges, in place 0' }],
    why: 'W-HOST-1: a row that can not be written would stop every user for ever.',
  },
  {
    name: 'rows-that-were-set-aside-are-worked-out-again',
    file: 'lib/replication/membership/membership-applier.ts',
    find: 'const byTable = aside.without(all);',
    replace: 'const byTable = aside.rows.length > 0 ? all : aside.without(all);',
    tests: [{ file: ROWS, name: 'keeps the buckets that it had' }],
    why: 'W-HOST-2: what was set aside must not be worked out again, or nothing gets on.',
  },
  {
    name: 'deletes-that-could-not-be-written-are-dropped',
    file: 'lib/replication/rule-retries.ts',
    find: 'refresh: true, removed: true',
    replace: 'refresh: true, removed: false',
    tests: [{ file: ROWS, name: 'gets its delete once that can be written' }],
    why: 'W-HOST-3: devices would keep a row that is gone.',
  },
  {
    name: 'checks-at-the-commit-come-too-late',
    file: 'lib/database/sent-transaction.ts',
    find: "await this.query('SET CONSTRAINTS ALL IMMEDIATE');",
    replace: "await this.query('SELECT 1');",
    tests: [{ file: ROWS, name: 'a check at the commit, in place 0' }],
    why: 'W-HOST-1: what fails with the commit is of no row that could be found.',
  },
  {
    name: 'devices-are-not-told-what-could-not-be-written',
    file: 'lib/replication/consumer-tasks.ts',
    find: 'if (!(await tx.succeeds(write))) await sendToSnapshot(tx, task);',
    replace: 'await tx.succeeds(write);',
    tests: [{ file: ROWS, name: 'that should get it by withdraw' }],
    why: 'W-HOST-4: the device would keep a row that its user is not to have.',
  },
  {
    name: 'keys-of-any-length-are-pushed',
    file: 'lib/engine/push/check-change.ts',
    find: "if (tooLong !== null) return terminal(ref, 'invalid_data', tooLong);",
    replace: '',
    tests: [{ file: LENGTHS, name: 'is refused as the key of a create' }],
    why: 'W-HOST-6: it was applied, and then no index could hold it.',
  },
  {
    name: 'buckets-of-any-length-are-updated',
    file: 'lib/engine/push/writing/judge.ts',
    find: "if (tooLong !== null) return reverted(item, row, 'invalid_data', tooLong);",
    replace: '',
    tests: [{ file: LENGTHS, name: 'is refused in an update' }],
    why: 'W-HOST-6: it was applied, and then no index could hold it.',
  },
  {
    name: 'buckets-that-can-not-be-are-subscribed-to',
    file: 'lib/resolvers/subscribed-buckets.ts',
    find: '.filter(canHoldRows);',
    replace: ".filter((bucket) => canHoldRows(bucket) || bucket !== '');",
    tests: [{ file: LENGTHS, name: 'does not keep a user from the buckets' }],
    why: 'W-HOST-7: one bucket of that name would keep its user from all others.',
  },
  {
    name: 'bytes-of-the-stream-are-taken-for-utf-8',
    file: 'lib/replication/slot/consumer-connection.ts',
    find: '  await client.query(ENCODING_SQL);\n',
    replace: '',
    tests: [{ file: 'test/database/encodings.test.ts', name: 'bytes that are no UTF-8 cost no more' }],
    why: 'W-HOST-9: one invalid byte would end the stream for ever.',
  },
];
