import type { Mutation } from './mutation.js';

const EXISTING = 'test/host/existing-app.test.ts';
const NAMED_COLUMNS = 'test/push/failures/named-columns.test.ts';
const QUERY_LOG = 'test/host/query-log.test.ts';

/** What the host's app has beside sync: its documents, its server, its packages. */
export const HOST: readonly Mutation[] = [
  {
    name: 'odd-databases-share-a-slot',
    file: 'lib/settings/replication-name.ts',
    find: 'return `${plain.slice(0, MAX_NAME - hash.length - 1)}_${hash}`;',
    replace: 'return plain.slice(0, MAX_NAME);',
    tests: [{ file: 'test/common/replication-name.test.ts', name: 'are called after the database' }],
    why: 'W-HOST-82: the second project would not start, or consume what is the first one’s.',
  },
  {
    name: 'any-file-touches-pg-internals',
    file: 'lib/replication/stream/replication-stream.ts',
    find: 'return client ? socketOf(client) : undefined;',
    replace: 'return (client as unknown as { connection: { stream: Duplex } } | null)?.connection.stream;',
    tests: [{ file: 'test/architecture.test.ts', name: 'are touched by one file alone' }],
    why: 'W-HOST-83: a version of pg that changes them would be found out about file by file, in production.',
  },
  {
    name: 'pipelines-leave-their-timer',
    file: 'lib/database/pg-internals.ts',
    find: 'this.callback();\n    this.done(this.results);',
    replace: 'this.done(this.results);',
    tests: [{ file: 'test/database/pg-internals.test.ts', name: 'ends the time limit' }],
    why: 'W-HOST-86: an older pg ends the process when the time is over.',
  },
  {
    name: 'older-packages-are-advice',
    file: 'lib/version-problems.ts',
    find: 'semver.gtr(version, range',
    replace: '!semver.satisfies(version, range',
    tests: [
      { file: 'test/host/version-problems.test.ts', name: 'keep the app from starting where they are older' },
    ],
    why: 'W-HOST-88: the app would start, and fail in its requests.',
  },
  {
    name: 'the-start-takes-any-version',
    file: 'lib/start-checks.ts',
    find: 'const problems = [...unfit, ...(await',
    replace: 'const problems = [...(await',
    tests: [{ file: 'test/host/version-start.test.ts', name: 'does not start where the version is older' }],
    why: 'W-HOST-88: the app would start, and fail in its requests.',
  },
  {
    name: 'the-first-column-is-taken-for-the-unread-one',
    file: 'lib/engine/push/failures/bad-columns.ts',
    find: 'if (await isRead(host, write, columns.slice(0, middle))) read = middle;',
    replace: 'if (middle < 0) read = middle;',
    tests: [{ file: NAMED_COLUMNS, name: 'names the column' }],
    why: 'People would be sent to a column that has nothing wrong with it.',
  },
  {
    name: 'columns-of-the-server-are-named',
    file: 'lib/engine/push/failures/bad-columns.ts',
    find: 'return table.columns.some((each) => each.name === column) ? (column ?? null) : null;',
    replace: 'return column ?? null;',
    tests: [{ file: NAMED_COLUMNS, name: 'of a trigger that fails by secret' }],
    why: 'A device would hear of columns that are kept from it.',
  },
  {
    name: 'swagger-shows-every-method',
    file: 'lib/http/openapi/swagger-metadata.ts',
    find: 'method: method.toLowerCase(),',
    replace: '',
    tests: [{ file: 'test/http/swagger.test.ts', name: 'has six operations on Express' }],
    why: 'W-HOST-81: nine operations for each route, of which eight answer 405.',
  },
  {
    name: 'properties-of-embedded-entities-are-not-looked-at',
    file: 'lib/registry/unserialized-columns.ts',
    find: 'embeddedMetadata?.type ?? metadata.target',
    replace: 'embeddedMetadata === undefined ? metadata.target : metadata.target',
    tests: [{ file: 'test/host/unserialized-columns.test.ts', name: 'are named at start' }],
    why: 'Nobody would be warned of what an embedded entity leaves out.',
  },
  {
    name: 'the-log-has-what-sync-sends',
    file: 'lib/database/session.ts',
    find: '    keepOutOfLog(runner);\n',
    replace: '',
    tests: [{ file: QUERY_LOG, name: 'has nothing of sync' }],
    why: 'A host that logs its queries would find a dozen of others for each request.',
  },
  {
    name: 'the-log-lacks-what-hooks-send',
    file: 'lib/hooks/hook-runner.ts',
    find: 'return await asHost(manager, call);',
    replace: 'return await call();',
    tests: [{ file: QUERY_LOG, name: 'has what the code of the host sends' }],
    why: 'A host could not see what its own code does.',
  },
  {
    name: 'rounded-numbers-are-users',
    file: 'lib/http/user.interceptor.ts',
    find: "typeof answer === 'bigint' || Number.isSafeInteger(answer)",
    replace: "typeof answer === 'bigint' || Number.isInteger(answer)",
    tests: [{ file: EXISTING, name: 'an integer that JavaScript rounds' }],
    why: 'W-HOST-79: two users would be one.',
  },
  {
    name: 'secrets-are-known-by-whole-names',
    file: 'lib/schema/problems/schema-warnings.ts',
    find: "SECRETS.has(word.replace(/s$/, ''))",
    replace: 'SECRETS.has(name)',
    tests: [{ file: EXISTING, name: 'named like secrets' }],
    why: 'W-HOST-80: nobody would be warned of a reset_token.',
  },
];
