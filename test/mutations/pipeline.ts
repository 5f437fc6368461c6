import type { Mutation } from './mutation.js';

const TEST = 'test/database/pipeline.test.ts';
const INTERNALS = 'test/database/pg-internals.test.ts';
const SEARCH_PATH = 'test/database/search-path.test.ts';

/** How statements reach PostgreSQL, and under which settings. */
export const PIPELINE: readonly Mutation[] = [
  {
    name: 'statements-that-were-not-run-count-as-prepared',
    file: 'lib/database/pg-internals.ts',
    find: 'Object.create(parsedStatements) as Names',
    replace: 'parsedStatements ?? {}',
    tests: [{ file: TEST, name: 'may be prepared by name, also where one before them failed' }],
    why: 'Each later request on the connection would fail.',
  },
  {
    name: 'errors-name-the-last-statement',
    file: 'lib/database/pg-internals.ts',
    find: 'Math.min(index, this.queries.length - 1)',
    replace: 'this.queries.length - 1',
    tests: [{ file: TEST, name: 'end with the one that fails, which the error names' }],
    why: 'An operator would look for the fault in another statement.',
  },
  {
    name: 'each-statement-ends-its-own-round-trip',
    file: 'lib/database/pg-internals.ts',
    find: 'const refused = query.submit(view);',
    replace: 'const refused = query.submit(view);\n        connection.sync();',
    tests: [{ file: TEST, name: 'statements that are sent together' }],
    why: 'What comes behind a failure would be run, and answers would go to other statements.',
  },
  {
    name: 'rows-go-to-the-first-statement',
    file: 'lib/database/pg-internals.ts',
    find: 'this.next?.handleDataRow(message);',
    replace: 'this.queries[0]?.handleDataRow(message);',
    tests: [{ file: TEST, name: 'give the rows of each' }],
    why: 'A pull would answer the rows of another question.',
  },
  {
    name: 'answers-are-not-counted',
    file: 'lib/database/pg-internals.ts',
    find: 'if (this.current < this.queries.length) return this.breakOff(connection);',
    replace: '',
    tests: [{ file: INTERNALS, name: 'with one answer too few' }],
    why: 'A request would take the rows that a later answer has for another one.',
  },
  {
    name: 'what-comes-behind-an-unsendable-statement-is-sent',
    file: 'lib/database/pg-internals.ts',
    find: 'if (this.hasFailed) break;',
    replace: '',
    tests: [{ file: TEST, name: 'end with the one that cannot be sent' }],
    why: 'A COMMIT would make half of a push durable.',
  },
  {
    name: 'a-failed-self-test-is-no-reason',
    file: 'lib/database/pool-checks.ts',
    find: 'stopPipelining(dataSource);',
    replace: '',
    tests: [{ file: INTERNALS, name: 'statements go one by one, with a warning' }],
    why: 'Every request would fail with a pg that works in another way.',
  },
  {
    name: 'reads-see-several-moments',
    file: 'lib/database/session.ts',
    find: "'BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY'",
    replace: "'BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY'",
    tests: [{ file: 'test/pull/pull-consistency.test.ts', name: 'are of one moment' }],
    why: 'W-PULL-16: the checkpoint would pass entries that the page does not have.',
  },
  {
    name: 'consumer-writes-texts-as-the-database-likes',
    file: 'lib/database/session-settings.ts',
    find: 'export const OWN_SETTINGS = {\n  ...TEXT_SETTINGS,',
    replace: 'export const OWN_SETTINGS = {\n  client_encoding: TEXT_SETTINGS.client_encoding,',
    tests: [
      { file: 'test/replication/stream/wal-text-settings.test.ts', name: 'values are read as the same text' },
    ],
    why: 'Interleavings 2: the same value would name two buckets.',
  },
  {
    name: 'no-schema-is-public',
    file: 'lib/database/sync-schema.ts',
    find: 'if (schema) return schema;',
    replace: "if (schema !== '') return schema ?? 'public';",
    tests: [{ file: SEARCH_PATH, name: 'where there is no schema at all' }],
    why: 'W-HOST-21: the start would end in an error of PostgreSQL’s that names no fix.',
  },
];
