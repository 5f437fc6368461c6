import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startAppProcess } from '../support/app-process.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { runProgram } from '../support/run-program.js';
import { eventually } from '../support/wait.js';

const PROJECT = path.resolve(import.meta.dirname, '../..');

let database: TestDatabase;
beforeAll(async () => {
  database = await createDatabase();
  // The server's part of `npm start`; the page is built by `npm run build`.
  const vite = path.join(PROJECT, 'node_modules/vite/bin/vite.js');
  await runProgram(process.execPath, [vite, 'build', 'sample-app'], { cwd: PROJECT });
});
afterAll(() => database.drop());

describe('the start of the sample app', () => {
  it.each(['sample-app', 'start'])(
    'from dist/%s ends with the address of its page, on a line of its own, once the log follows',
    async (folder) => {
      const main = path.join(PROJECT, 'dist', folder, 'main.js');
      const app = await startAppProcess({ main, database });
      const { url, output } = app;
      await eventually(() => expect(output().split('\n').slice(-3)).toEqual(['', url, '']));
      // Nothing of the consumer comes after the address.
      expect(output()).toContain('consuming slot');
      expect((await fetch(url)).headers.get('content-type')).toContain('text/html');
      // The database is somebody's: nothing was put into it.
      expect(await database.query('SELECT FROM tasks')).toEqual([]);
      await app.kill('SIGTERM');
    },
  );

  it('names no page in production, where there is none', async () => {
    const env = { NODE_ENV: 'production', JWT_SECRET: 'a secret of at least thirty-two bytes' };
    const app = await startAppProcess({ database, env });
    const { url, output } = app;
    await eventually(() => expect(output()).toContain('that of DATABASE_URL'));
    expect((await fetch(`${url}/demo/sign-in`, { method: 'POST' })).status).toBe(404);
    expect((await fetch(url)).status).toBe(404);
    await app.kill('SIGTERM');
    expect(output().trimEnd().split('\n').at(-1)).not.toBe(url);
  });
});
