import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type RunningApp, startApp } from '../../support/app.js';
import { createDatabase, type TestDatabase } from '../../support/database.js';
import { Device } from '../../support/device.js';
import { waitingForLocks, whileLocked } from '../../support/locks.js';
import { eventually } from '../../support/wait.js';

let database: TestDatabase;
let app: RunningApp;

beforeAll(async () => {
  database = await createDatabase();
  app = await startApp({ database, synchro: { retryAfter: 4 } });
});
afterAll(async () => {
  await app.close();
  await database.drop();
});

async function started(userId: string): Promise<Device> {
  const device = new Device(app.url, userId);
  await device.start();
  return device;
}

/** So many pushes of one device at once, each of one create. */
async function pushing(device: Device, count: number, title = 'x'): Promise<readonly Promise<Response>[]> {
  const { schema_version, schema_hash } = await device.schema();
  return Array.from({ length: count }, () => {
    const data = { title, user_id: device.userId };
    const changes = [{ id: randomUUID(), table_name: 'tasks', operation: 'create', data }];
    return fetch(`${app.url}/sync/push`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-user-id': device.userId },
      body: JSON.stringify({ client_id: device.clientId, schema_version, schema_hash, changes }),
    });
  });
}

it("one user's pushes take one connection, so that others push and pull meanwhile [W-LOAD-16]", async () => {
  const [ann, ben] = [await started('ann'), await started('ben')];
  let held: readonly Promise<Response>[] = [];
  await whileLocked(database, 'tasks', async () => {
    held = await pushing(ann, 20);
    await eventually(async () => (await waitingForLocks(database)) === 1);
    await ben.pull();
    const other = await pushing(ben, 1);
    await eventually(async () => (await waitingForLocks(database)) === 2);
    held = [...held, ...other];
  });
  const statuses = (await Promise.all(held)).map(({ status }) => status);
  expect(statuses, 'all came to their turn').toEqual(Array(21).fill(200));
});

it('pushes of many users leave half of the pool to pulls and to the host [W-LOAD-16]', async () => {
  const devices = await Promise.all(Array.from({ length: 12 }, (_, n) => started(`many-${n}`)));
  let held: readonly Promise<Response>[] = [];
  await whileLocked(database, 'tasks', async () => {
    held = (await Promise.all(devices.map((device) => pushing(device, 2)))).flat();
    await eventually(async () => (await waitingForLocks(database)) === 5);
    await Promise.all(devices.map((device) => device.pull()));
    expect(await waitingForLocks(database)).toBe(5);
  });
  expect((await Promise.all(held)).map(({ status }) => status)).toEqual(Array(24).fill(200));
});

it('large pushes of many users are worked on two at a time, and others pass them [W-LOAD-35]', async () => {
  const devices = await Promise.all(Array.from({ length: 6 }, (_, n) => started(`large-${n}`)));
  const ann = await started('small');
  let held: readonly Promise<Response>[] = [];
  await whileLocked(database, 'tasks', async () => {
    const large = 'x'.repeat(2 * 1024 * 1024);
    held = (await Promise.all(devices.map((device) => pushing(device, 1, large)))).flat();
    await eventually(async () => (await waitingForLocks(database)) === 2);
    held = [...held, ...(await pushing(ann, 1))];
    await eventually(async () => (await waitingForLocks(database)) === 3);
    await Promise.all(devices.map((device) => device.pull()));
    expect(await waitingForLocks(database)).toBe(3);
  });
  expect((await Promise.all(held)).map(({ status }) => status)).toEqual(Array(7).fill(200));
});

it('requests behind a hundred others of the same user have to come back, at times of their own [W-LOAD-15]', async () => {
  const ann = await started('queue');
  let held: readonly Promise<Response>[] = [];
  await whileLocked(database, 'tasks', async () => {
    held = await pushing(ann, 130);
    const refused = await eventually(async () => {
      const done = await Promise.all(held.map((each) => Promise.race([each, Promise.resolve(null)])));
      const answers = done.filter((each) => each !== null);
      return answers.length === 26 && answers;
    });
    expect(refused.map(({ status }) => status)).toEqual(Array(26).fill(503));
    const seconds = refused.map(({ headers }) => Number(headers.get('retry-after')));
    expect(Math.min(...seconds)).toBeGreaterThanOrEqual(4);
    expect(Math.max(...seconds)).toBeLessThanOrEqual(8);
    expect(new Set(seconds).size).toBeGreaterThan(1);
    const body = (await refused[0]?.json()) as object;
    expect(body).toEqual({ error: 'too many requests at once', retry_after: seconds[0] });
  });
  const statuses = (await Promise.all(held)).map(({ status }) => status);
  expect(statuses.filter((status) => status === 200)).toHaveLength(104);
});

it('what a household does at once is never refused', async () => {
  const devices = await Promise.all(Array.from({ length: 12 }, () => started('family')));
  for (const device of devices) device.create('tasks', { title: 'typed offline', user_id: 'family' });
  await Promise.all(devices.map((device) => device.sync()));
});
