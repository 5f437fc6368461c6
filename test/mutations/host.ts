import type { Mutation } from './mutation.js';

/** What the host's app has beside sync: its documents, its server, its packages. */
export const HOST: readonly Mutation[] = [
  {
    name: 'swagger-shows-each-method',
    file: 'lib/http/sync-route.ts',
    find: "SetMetadata('swagger/apiExcludeController', [true])",
    replace: "SetMetadata('swagger/apiExcludeController', [false])",
    tests: [{ file: 'test/host/existing-app.test.ts', name: 'is left out of Swagger' }],
    why: 'W-HOST-81: dozens of operations would stand where there are seven.',
  },
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
];
