import type { Mutation } from './mutation.js';

const PUBLICATION = 'test/replication/slot/wal-publication.test.ts';
const BUCKET_FUNCTION = 'test/replication/rules/bucket-function.test.ts';
const UNSUBSCRIBED = 'test/registry/unsubscribed-buckets.test.ts';
const POISON_ROWS = 'test/replication/rules/poison-rows.test.ts';

/** What the consumer needs, asks and writes. */
export const CONSUMER: readonly Mutation[] = [
  {
    name: 'positions-are-stored-behind-their-entries',
    file: 'lib/store/changelog/changelog-transaction.ts',
    find: 'const position = { ...this.position, confirmedLsn, lastSeq: this.seq };',
    replace:
      "const position = { ...this.position, confirmedLsn, lastSeq: this.seq };\n    this.write(undefined, 'COMMIT');\n    this.write(undefined, 'BEGIN');",
    tests: [
      {
        file: 'test/replication/stream/wal-transactions.test.ts',
        name: 'with its edges and its position in one transaction',
      },
    ],
    why: 'W-WAL-2: after a crash in between, everything would be told twice.',
  },
  {
    name: 'deletes-are-told-in-one-bucket',
    file: 'lib/replication/membership/edge-diff.ts',
    find: '.map(([bucket]) => ({ bucket, operation: Operation.delete, servedAt: null }));\n  record.edges.clear();',
    replace:
      '.map(([bucket]) => ({ bucket, operation: Operation.delete, servedAt: null }))\n    .slice(0, 1);\n  record.edges.clear();',
    tests: [
      {
        file: 'test/replication/tables/wal-changes.test.ts',
        name: 'takes a deleted row out of every bucket that it was in',
      },
    ],
    why: 'W-WAL-12: those with whom the row was shared would keep it.',
  },
  {
    name: 'deletes-may-name-no-key',
    file: 'lib/replication/slot/preflight.ts',
    find: "if (row.identity === 'f') return [];",
    replace: "if (row.identity !== 'd') return [];",
    tests: [{ file: PUBLICATION, name: 'the start is stopped with the statement that fixes it' }],
    why: 'W-WAL-12, W-REG-4: a deleted row would stay on every device.',
  },
  {
    name: 'publication-lacks-new-tables',
    file: 'lib/replication/slot/publication.ts',
    find: 'if (missing.length === 0) return;',
    replace: 'if (missing.length === 0 || whole.size > 0) return;',
    tests: [{ file: PUBLICATION, name: 'gets the tables and the kinds of changes that it lacks' }],
    why: 'W-WAL-15: nobody would hear of a table that came with a deploy.',
  },
  {
    name: 'what-a-publication-missed-is-not-looked-for',
    file: 'lib/replication/slot/publication.ts',
    find: '    await forgetRules(client, tables);\n',
    replace: '',
    also: [
      {
        file: 'lib/replication/tables/table-shapes.ts',
        find: "if (differs('published') || (",
        replace: 'if ((',
      },
    ],
    tests: [
      { file: PUBLICATION, name: 'lost a table is fixed at the next start, and what it missed is found' },
    ],
    why: 'W-WAL-15: what changed meanwhile would never be told.',
  },
  {
    name: 'edges-are-written-one-by-one',
    file: 'lib/replication/membership/membership-write.ts',
    find: 'const withEntries = [added, saved].find((edges) => areOf(entries, edges));',
    replace: 'const withEntries = [saved].find((edges) => areOf(entries, edges));',
    also: [
      {
        file: 'lib/replication/membership/membership-write.ts',
        find: "tx.writeEdges('insert', added, withEntries === added ? entries : []);",
        replace: "for (const edge of added) tx.writeEdges('insert', [edge]);",
      },
    ],
    tests: [
      {
        file: 'test/replication/slot/wal-beginnings.test.ts',
        name: 'as many statements for a transaction of eight hundred rows',
      },
    ],
    why: 'W-WAL-16: the log would fall behind whenever somebody imports rows.',
  },
  {
    name: 'values-for-functions-are-texts',
    file: 'lib/replication/rules/bucket-function-call.ts',
    find: '`r.${prefix}${position}::${type} AS ${quoteIdentifier(name)}`',
    replace: "`r.${prefix}${position}${type && ''} AS ${quoteIdentifier(name)}`",
    tests: [{ file: BUCKET_FUNCTION, name: 'is given typed values, by the names of the columns' }],
    why: 'W-OWN-2: a function that compares numbers would fail for every row.',
  },
  {
    name: 'functions-get-no-old-row',
    file: 'lib/replication/rules/bucket-function-call.ts',
    find: 'has_old: previous !== null };',
    replace: 'has_old: previous === undefined };',
    tests: [
      { file: BUCKET_FUNCTION, name: 'is given the old row where the table has REPLICA IDENTITY FULL' },
    ],
    why: 'W-OWN-2: a rule that tells a move from an edit could not.',
  },
  {
    name: 'empty-buckets-of-functions-count',
    file: 'lib/replication/rules/bucket-function-call.ts',
    find: "WHERE bucket <> '') AS named",
    replace: 'WHERE bucket IS NOT NULL) AS named',
    tests: [{ file: BUCKET_FUNCTION, name: 'nulls, empty strings and duplicates are passed over' }],
    why: 'W-OWN-1: a row without an owner would be in a bucket without a name.',
  },
  {
    name: 'functions-are-for-the-default-resolver-alone',
    file: 'lib/replication/rules/bucket-rules.ts',
    find: 'const answers = await (bucketFunction === null',
    replace:
      'const answers = await (bucketFunction === null || !this.isDefault({ ...table, bucketFunction: null })',
    tests: [{ file: BUCKET_FUNCTION, name: 'beside a resolver of the host' }],
    why: 'W-OWN-1: rows would land where the table’s own rule does not put them.',
  },
  {
    name: 'prefixes-that-nobody-reads-are-not-warned-of',
    file: 'lib/resolvers/unsubscribed-buckets.ts',
    find: "return 'user:'.startsWith(prefix) || prefix.startsWith('user:') ||",
    replace: "return prefix.endsWith(':') || prefix.startsWith('user:') ||",
    tests: [{ file: UNSUBSCRIBED, name: 'rows that nobody is subscribed to a prefix of its own' }],
    why: 'W-OWN-1: a table would sync to nobody, and nothing would say why.',
  },
  {
    name: 'subscriptions-travel-as-one-text',
    file: 'lib/resolvers/subscription-resolver.ts',
    find: 'return [bucketOf(USER_BUCKETS, userId), GLOBAL_BUCKET];',
    replace: "return `${bucketOf(USER_BUCKETS, userId)},${GLOBAL_BUCKET}`.split(',');",
    tests: [
      {
        file: 'test/push/identity.test.ts',
        name: 'a comma or a quote in a user id names no further buckets',
      },
    ],
    why: 'W-OWN-5: a user who chooses an id could read anybody’s rows.',
  },
  {
    name: 're-resolutions-meet-poison-for-ever',
    file: 'lib/replication/batch-writer.ts',
    find: '      await this.takeCare(tx);\n      await work(tx);',
    replace: '      await work(tx);',
    tests: [{ file: POISON_ROWS, name: 'is one of those that are resolved again on demand' }],
    why: 'W-HOST-5: one row would keep a changed rule from ever being applied.',
  },
  {
    name: 'wide-rows-are-read-together',
    file: 'lib/replication/membership/current-rows.ts',
    find: 'if (part.length > 0 && text + length > MOST_TEXT) {',
    replace: 'if (part.length > 0 && length > MOST_TEXT) {',
    tests: [{ file: 'test/replication/tables/wide-row-parts.test.ts', name: 'are read in parts [W-HOST-8]' }],
    why: 'W-HOST-8: the process would run out of memory at the first start.',
  },
  {
    name: 'transactions-of-other-databases-are-not-named',
    file: 'lib/replication/slot/slot-wait.ts',
    find: 'LEFT JOIN pg_stat_activity a ON a.pid = held.pid',
    replace: 'LEFT JOIN pg_stat_activity a ON a.pid = held.pid AND a.datname = current_database()',
    tests: [
      {
        file: 'test/replication/slot/slot-set-up.test.ts',
        name: 'and names the one that it waits for, in another database, too',
      },
    ],
    why: 'W-HOST-17: a first start would wait for hours, and nobody would know for what.',
  },
];
