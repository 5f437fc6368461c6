import { Logger } from '@nestjs/common';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { versionProblems } from '../../lib/version-problems.js';
import { startApp } from '../support/app.js';
import { createDatabase, type TestDatabase } from '../support/database.js';

// The packages that are installed here fit, so the range differs.
vi.mock(import('../../lib/version-problems.js'), { spy: true });

/** As if this package were made for another range of `pg`. */
async function withRange(pg: string): Promise<void> {
  const { versionProblems: original } = await vi.importActual<typeof import('../../lib/version-problems.js')>(
    '../../lib/version-problems.js',
  );
  vi.mocked(versionProblems).mockImplementationOnce(() => original({ peerDependencies: { pg } }));
}

describe("an app on a version of the host's packages that sync is not made for [W-HOST-88]", () => {
  let database: TestDatabase;

  beforeAll(async () => {
    database = await createDatabase();
  });
  afterAll(() => database.drop());

  it('does not start where the version is older', async () => {
    await withRange('^999.0.0');
    await expect(startApp({ database })).rejects.toThrow(/npm install pg@"\^999\.0\.0"/);
  });

  it('starts with a warning where the version is newer', async () => {
    await withRange('^0.1.0');
    const warned = vi.spyOn(Logger.prototype, 'warn');
    const app = await startApp({ database });
    await app.close();
    const lines = warned.mock.calls.map(String).filter((line) => line.includes('npm install pg@"^0.1.0"'));
    warned.mockRestore();
    expect(lines).toHaveLength(1);
  });
});
