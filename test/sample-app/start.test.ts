import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startAppProcess } from '../support/app-process.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { eventually } from '../support/wait.js';

let database: TestDatabase;
beforeAll(async () => {
  database = await createDatabase();
});
afterAll(() => database.drop());

describe('the start of the sample app', () => {
  it('ends with the address of its page, on a line of its own', async () => {
    const app = await startAppProcess({ database });
    const { url, output } = app;
    await eventually(() => expect(output().split('\n').slice(-2)).toEqual([url, '']));
    expect((await fetch(url)).headers.get('content-type')).toContain('text/html');
    // The database is somebody's: nothing was put into it.
    expect(await database.query('SELECT FROM tasks')).toEqual([]);
    await app.kill('SIGTERM');
  });

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
