import type { Mutation } from './mutation.js';

const BUCKETS_TEST = 'test/push/readable-buckets.test.ts';
const NAMES_TEST = 'test/registry/bucket-names.test.ts';
const HOLDS_TEST = 'test/compaction/history-holds.test.ts';
const GATE_TEST = 'test/http/limits/fair-gate.test.ts';
const ADMISSION_TEST = 'test/http/limits/admission.test.ts';
const SILENT = 'test/replication/stream/silent-network.test.ts';

/** A user's share of the server, of others' devices and of history. */
export const SHARE: readonly Mutation[] = [
  {
    name: 'push-goes-into-any-bucket',
    file: 'lib/engine/push/sql/readable-buckets.ts',
    find: 'return now?.get(key)?.some((bucket) => !readable.has(bucket) && !own.has(bucket));',
    replace:
      'return now?.get(key)?.some((bucket) => !readable.has(bucket) && !own.has(bucket) && bucket.length < 0);',
    tests: [{ file: BUCKETS_TEST, name: 'pushed as superuser refuses a create in projects' }],
    why: 'Rule 16: whoever names a team would have every member pull their rows.',
  },
  {
    name: 'undelete-goes-into-the-old-bucket',
    file: 'lib/engine/push/sql/readable-buckets.ts',
    find: "const own = new Set(kind === 'update' ? held?.get(key) : []);",
    replace: 'const own = new Set(held?.get(key));',
    tests: [
      { file: BUCKETS_TEST, name: 'pushed as superuser takes a delete, and refuses to bring a row back' },
    ],
    why: 'Rule 16: a row that was deleted would come back to a team that its user has left.',
  },
  {
    name: 'child-goes-into-its-parents-bucket-unseen',
    file: 'lib/store/host-rows/named-buckets-sql.ts',
    find: 'if (inherited !== null)',
    replace: 'if (inherited !== null && registry.all().length === 0)',
    tests: [
      {
        file: BUCKETS_TEST,
        name: "pushed as superuser refuses a child that would come into its parent's bucket",
      },
    ],
    why: 'Rule 16: it holds for what a row inherits, too.',
  },
  {
    name: 'bucket-is-read-before-triggers',
    file: 'lib/engine/push/writing/group-writer.ts',
    find: 'const refused = check.refused(before, after);',
    replace: 'const refused = check.refused(before, before);',
    tests: [
      { file: BUCKETS_TEST, name: 'pushed as superuser goes by the row as it stands when triggers are done' },
    ],
    why: 'Rule 16: the row counts, not what was sent.',
  },
  {
    name: 'rule-names-a-bucket-of-sync',
    file: 'lib/replication/rules/bucket-rules.ts',
    find: 'if (answers.some((own) => own.some(isReservedBucket))) {',
    replace: 'if (answers.some((own) => own.some((bucket) => isReservedBucket(bucket) && bucket === ""))) {',
    tests: [{ file: NAMES_TEST, name: 'take no row of a rule that names them' }],
    why: 'A row would reach one device alone, past every subscription.',
  },
  {
    name: 'subscription-names-a-bucket-of-sync',
    file: 'lib/resolvers/subscribed-buckets.ts',
    find: 'return buckets.filter((bucket) => !isReservedBucket(bucket));',
    replace: 'return buckets;',
    tests: [{ file: NAMES_TEST, name: 'are not read by a user whose subscriptions name them' }],
    why: "A user would read what is meant for another one's device.",
  },
  {
    name: 'snapshot-hold-has-no-age',
    file: 'lib/store/changelog/snapshot-holds.ts',
    find: "snapshot_expires_at = ${expiresSql('c.snapshot_began_at', '$3', '$4')}",
    replace: "snapshot_expires_at = ${expiresSql('now()', '$3', '$4')}",
    tests: [{ file: HOLDS_TEST, name: "a snapshot's cursor that is sent again and again" }],
    why: 'One device could keep compaction from passing it for ever.',
  },
  {
    name: 'snapshot-begins-with-a-new-age-and-the-old-hold',
    file: 'lib/store/changelog/snapshot-holds.ts',
    find: 'const BEGAN = `CASE WHEN ${LASTS} THEN c.snapshot_began_at ELSE now() END`;',
    replace: "const BEGAN = 'now()';",
    tests: [{ file: HOLDS_TEST, name: 'nor does a snapshot that is begun again and again' }],
    why: 'The same, by beginning again before each hold ends.',
  },
  {
    name: 'max-age-waits-for-holds',
    file: 'lib/store/changelog/retention.ts',
    find: "snapshot_expires_at > now() AND ${isYounger('coalesce(snapshot_began_at, now())')}",
    replace: 'snapshot_expires_at > now() AND $2::float8 > 0',
    tests: [{ file: HOLDS_TEST, name: 'maxAge passes a hold that is older' }],
    why: 'maxAge bounds the log, whoever holds it.',
  },
  {
    name: 'devices-of-a-user-are-not-counted',
    file: 'lib/store/clients/sync-clients.ts',
    find: 'if (row?.isNew === true) await removeSurplus(',
    replace: 'if (row?.isNew === false) await removeSurplus(',
    tests: [{ file: 'test/http/limits/device-limit.test.ts', name: 'a user has as many devices as' }],
    why: 'Every registration would be a row that is kept and looked at for months.',
  },
  {
    name: 'user-takes-all-places',
    file: 'lib/http/admission/fair-gate.ts',
    find: '(this.inside.get(user) ?? 0) < this.limits.perUser',
    replace: '(this.inside.get(user) ?? 0) < this.limits.total',
    tests: [
      { file: GATE_TEST, name: 'lets in so many at once, and of one user fewer' },
      { file: ADMISSION_TEST, name: "one user's pushes take one connection" },
    ],
    why: "Rule 15: one user's worst requests would be everybody's wait.",
  },
  {
    name: 'large-bodies-of-a-user-come-at-once',
    file: 'lib/http/admission/admission.ts',
    find: 'const LARGE_BODIES = 2;',
    replace: 'const LARGE_BODIES = 8;',
    tests: [
      {
        file: 'test/http/limits/large-bodies.test.ts',
        name: "a user's slow upload holds up nothing, and of more the rest waits",
      },
    ],
    why: "Rule 15: four bodies of one user's took 400 MB.",
  },
  {
    name: 'large-answers-are-cut-within-characters',
    file: 'lib/http/answer.ts',
    find: 'return code >= 0xd800 && code <= 0xdbff;',
    replace: 'return code >= 0xd800 && code < 0xd800;',
    tests: [
      { file: 'test/http/limits/large-bodies.test.ts', name: 'an answer of megabytes arrives as it is' },
    ],
    why: 'Rule 10: half of a character becomes a replacement character, and the length is wrong.',
  },
  {
    name: 'commas-without-a-value-are-taken',
    file: 'lib/common/json/json-parts.ts',
    find: 'if (isRest && list.length === 0) throw malformed(end);',
    replace: '',
    tests: [
      {
        file: 'test/common/json-parts.test.ts',
        name: 'is refused as it is as a whole: a comma behind a long value',
      },
    ],
    why: 'What is refused would depend on the size of a body.',
  },
  {
    name: 'long-work-comes-as-often-as-others',
    file: 'lib/common/pieces.ts',
    find: 'now - lastTurn > LONGEST_WAIT_MS',
    replace: 'now > lastTurn',
    tests: [{ file: 'test/common/turns.test.ts', name: 'waits while others have' }],
    why: 'Rule 15: whoever sends megabytes would have half of the time that others need.',
  },
  {
    name: 'registrations-may-be-large',
    file: 'lib/http/bodies/body.interceptor.ts',
    find: 'if (hasSmallBodies(context)) throw tooLarge(LARGE);',
    replace: '',
    tests: [{ file: 'test/http/limits/large-bodies.test.ts', name: 'where no honest one is' }],
    why: 'Rule 15: a name of 15 MB was read, parsed and refused.',
  },
  {
    name: 'keys-of-megabytes-are-values',
    file: 'lib/common/json/json-parts.ts',
    find: 'return !isKey(text, close + 1);',
    replace: 'return true;',
    tests: [{ file: 'test/common/json-parts.test.ts', name: 'a longer key' }],
    why: 'What is refused would depend on the size of a body.',
  },
  {
    name: 'large-pushes-are-worked-on-together',
    file: 'lib/http/admission/admission.ts',
    find: 'private readonly largeWork = gate(LARGE_AT_WORK, 1);',
    replace: 'private readonly largeWork = gate(100 * LARGE_AT_WORK, 1);',
    tests: [{ file: 'test/http/limits/admission.test.ts', name: 'worked on two at a time' }],
    why: 'Rule 12: five users with 16 MB of numbers each took half a gigabyte.',
  },
  {
    name: 'queue-of-one-user-goes-first',
    file: 'lib/http/admission/fair-gate.ts',
    find: '      this.queues.delete(user);\n      // Behind all others.',
    replace: '      // Behind all others.',
    tests: [{ file: GATE_TEST, name: 'gives users their turns one after the other' }],
    why: 'Rule 15: who queues most would be served most.',
  },
  {
    name: 'who-waits-remembers-who-waited-before',
    file: 'lib/http/admission/fair-gate.ts',
    find: 'setTimeout(() => this.forget(user, waiter), this.limits.patience);',
    replace:
      'setTimeout(() => (others?.pop(), this.forget(user, waiter)), this.limits.patience);\n' +
      '      const others = this.queues.get(user)?.slice();',
    tests: [{ file: GATE_TEST, name: 'keeps nothing of those who have left' }],
    why: 'W-LOAD-36: answers would stay in memory for as long as one of the user’s requests waits: all of it in 15 s.',
  },
  {
    name: 'buckets-of-rows-that-were-not-written-count',
    file: 'lib/engine/push/writing/group-writer.ts',
    find: "kind === 'written' && refused.has(write);",
    replace: 'kind !== null && refused.has(write);',
    tests: [{ file: BUCKETS_TEST, name: "tells nothing of the buckets of another's row" }],
    why: 'A user would learn that an id is taken in a bucket that they don’t read.',
  },
  {
    name: 'work-goes-with-its-subscription',
    file: 'lib/http/admission/admission.interceptors.ts',
    find: '  try {\n    return of(',
    replace: '  try {\n    setTimeout(leave, 500);\n    return of(',
    tests: [
      {
        file: 'test/http/limits/given-up-requests.test.ts',
        name: "a push that a host's timeout gives up keeps its place until it has ended",
      },
    ],
    why: 'W-LOAD-38: limits.pushes would bound nothing where a host gives requests up.',
  },
  {
    name: 'work-waits-for-a-subscription',
    file: 'lib/http/admission/admission.interceptors.ts',
    find: '    return of(await lastValueFrom(next.handle(), { defaultValue: undefined }));\n  } finally {\n    leave();',
    replace: '    return next.handle().pipe(finalize(leave));\n  } finally {',
    also: [
      {
        file: 'lib/http/admission/admission.interceptors.ts',
        find: 'import { lastValueFrom, of, ',
        replace: 'import { finalize, ',
      },
    ],
    tests: [
      {
        file: 'test/http/limits/given-up-requests.test.ts',
        name: 'pushes that a host gives up as they are let in come to their end',
      },
    ],
    why: 'W-LOAD-38: what is given up as it is let in would never be done.',
  },
  {
    name: 'places-end-with-connections',
    file: 'lib/http/admission/admission.ts',
    find: 'return () => leaveWhenClosed(raw, leave);',
    replace: 'leaveWhenClosed(raw, leave);\n    return () => undefined;',
    tests: [
      {
        file: 'test/http/limits/given-up-requests.test.ts',
        name: 'registrations of clients that hang up keep their places',
      },
    ],
    why: 'W-LOAD-39: one user could have any number of requests at work.',
  },
  {
    name: 'streams-begin-without-a-watchdog',
    file: 'lib/replication/stream/replication-stream.ts',
    find: 'if (walSenderTimeout > 0 && !this.paused',
    replace: 'if (walSenderTimeout > 0 && this.hasStarted && !this.paused',
    tests: [{ file: SILENT, name: 'goes on when a new one takes no word of its stream' }],
    why: 'W-LOAD-40: the consumer would wait for ever for a stream to begin.',
  },
  {
    name: 'connecting-takes-for-ever',
    file: 'lib/replication/slot/consumer-connection.ts',
    find: '    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,\n',
    replace: '',
    tests: [{ file: SILENT, name: 'connecting has 10 s where replication has a connection of its own' }],
    why: 'W-LOAD-40: the consumer would wait for ever for a server that says nothing.',
  },
];
