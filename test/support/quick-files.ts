import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, posix } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

/** The server and the folder of a run: whoever imports it, directly or not, may have a database. */
const RUN = 'test/support/run.ts';

/** For each room of `lib/`, and for the client: the files with a database that the quick loop runs. */
export const WITH_DATABASE: Readonly<Record<string, readonly string[]>> = {
  cli: ['test/operations/cli.test.ts'],
  testing: ['test/host/testing-entry.test.ts'],
  http: ['test/http/handshake.test.ts'],
  operations: ['test/operations/caught-up.test.ts'],
  engine: [
    'test/pull/pull-pages.test.ts',
    'test/push/push-operations.test.ts',
    'test/snapshot/snapshot-pages.test.ts',
    'test/compaction/compaction-cleanup.test.ts',
  ],
  replication: ['test/replication/tables/wal-changes.test.ts'],
  live: ['test/live/ends.test.ts'],
  hooks: ['test/host/hooks.test.ts'],
  resolvers: ['test/push/write-policy.test.ts'],
  schema: ['test/schema/schema-contract.test.ts'],
  store: ['test/store/rls-by-bucket.test.ts'],
  settings: ['test/common/durations.test.ts'],
  registry: ['test/registry/default-bucket-rule.test.ts'],
  database: ['test/database/pipeline.test.ts'],
  common: ['test/common/timestamps.test.ts'],
  client: ['client/test/engine/sync.test.ts'],
};

/** Every test file without a database, and those of {@link WITH_DATABASE}; paths from the root of the project. */
export function quickFiles(): readonly string[] {
  const all = ['test', 'client/test'].flatMap((folder) =>
    readdirSync(join(ROOT, folder), { encoding: 'utf8', recursive: true })
      .filter((file) => file.endsWith('.test.ts'))
      .map((file) => join(folder, file)),
  );
  const reaching = new Map<string, boolean>([[RUN, true]]);
  const without = all.filter((file) => !reachesRun(file, reaching));
  return [...new Set([...without, ...Object.values(WITH_DATABASE).flat()])];
}

/** @param known the files that were followed already; one that is being followed counts as false */
function reachesRun(file: string, known: Map<string, boolean>): boolean {
  const found = known.get(file);
  if (found !== undefined) return found;
  known.set(file, false);
  const reaches = importsOf(file).some((imported) => reachesRun(imported, known));
  known.set(file, reaches);
  return reaches;
}

/** The files of the tests that a file imports. */
function importsOf(file: string): readonly string[] {
  const text = readFileSync(join(ROOT, file), 'utf8');
  return [...text.matchAll(/(?:from|import\()\s*'(\.[^']+)\.js'/g)]
    .map(([, target = '']) => posix.join(posix.dirname(file), `${target}.ts`))
    .filter((target) => /^(client\/)?test\//.test(target) && existsSync(join(ROOT, target)));
}
