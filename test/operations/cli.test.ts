import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { run } from '../../lib/cli/run.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { makeHealthy } from '../support/doctor-tables.js';

const DATA_SOURCE = fileURLToPath(new URL('../support/doctor-data-source.mjs', import.meta.url));

let database: TestDatabase;

beforeAll(async () => {
  database = await createDatabase();
  await makeHealthy(database);
  vi.stubEnv('DOCTOR_DATABASE_URL', database.url);
});
afterAll(async () => {
  vi.unstubAllEnvs();
  await database.drop();
});

/** A command line without the price of a process: `doctor.test.ts` runs the built one. */
async function cli(...args: readonly string[]): Promise<{ status: number; out: string; err: string }> {
  const [out, err]: [string[], string[]] = [[], []];
  const status = await run(args, { out: (text) => out.push(text), err: (text) => err.push(text) });
  return { status, out: out.join('\n'), err: err.join('\n') };
}

it("the doctor's advice is not what the exit status is about [W-SDK-7]", async () => {
  const doctor = ['doctor', '-d', DATA_SOURCE, '--slot', database.slotName];
  await database.query('DROP TRIGGER touch_tasks ON tasks');
  const advised = await cli(...doctor);
  expect([advised.status, advised.out]).toEqual([
    0,
    expect.stringMatching(/^nothing is wrong\n\none thing to consider:.*\[updated_at_stale\]/s),
  ]);
  await database.query('DROP INDEX comments_task_id');
  expect(await cli(...doctor)).toMatchObject({
    status: 1,
    out: expect.stringMatching(/^one thing is wrong:/),
  });
  expect((await cli(...doctor, '--ignore', 'index_missing')).status).toBe(0);
});

it('types are those of the data source', async () => {
  const { status, out } = await cli('types', '-d', DATA_SOURCE);
  expect([status, out]).toEqual([
    0,
    expect.stringMatching(/^\/\/ Printed by .*^ {2}comments: \{$.*^ {2}tasks: \{$/ms),
  ]);
  expect(await cli('types')).toMatchObject({ status: 2, err: expect.stringMatching(/--data-source/) });
});

it('what fails shows no password [W-LOAD-10]', async () => {
  expect(await cli('postgres://me:hunter2@db/app')).toMatchObject({
    status: 2,
    err: expect.stringMatching(/^error: unknown command 'postgres:\/\/me:\*\*\*@db\/app'/),
  });
});
