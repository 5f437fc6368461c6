import { afterAll, beforeAll, expect, it } from 'vitest';
import { SyncEngine } from '../../../lib/index.js';
import { type RunningApp, startApp } from '../../support/app.js';
import { createDatabase, type TestDatabase } from '../../support/database.js';
import { Device } from '../../support/device.js';

let database: TestDatabase;
let app: RunningApp;

beforeAll(async () => {
  database = await createDatabase();
  app = await startApp({ database, synchro: { limits: { clientsPerUser: 5 } } });
});
afterAll(async () => {
  await app.close();
  await database.drop();
});

async function registered(userId: string, count: number): Promise<readonly Device[]> {
  const devices: Device[] = [];
  for (let n = 0; n < count; n++) {
    const device = new Device(app.url, userId, `${userId}-${n}`);
    await device.start();
    devices.push(device);
  }
  return devices;
}

async function known(userId: string): Promise<readonly string[]> {
  const clients = await app.app.get(SyncEngine, { strict: false }).clients(userId);
  return clients.map(({ clientId }) => clientId);
}

it('a user has as many devices as limits.clientsPerUser says, those that were in use last [W-LOAD-20]', async () => {
  await registered('ann', 9);
  expect(await known('ann')).toEqual(['ann-4', 'ann-5', 'ann-6', 'ann-7', 'ann-8']);
});

it('the one that is idle for longest goes, not the one that came first [W-LOAD-20]', async () => {
  const [first] = await registered('ben', 5);
  await database.query(
    `UPDATE sync_clients SET last_sync_at = now() + interval '1 second' WHERE client_id = 'ben-0'`,
  );
  await new Device(app.url, 'ben', 'another').start();
  expect((await known('ben')).toSorted()).toEqual(['another', 'ben-0', 'ben-2', 'ben-3', 'ben-4']);
  await first?.pull();
});

it("one that is known already takes nobody's place, nor do devices of others", async () => {
  await registered('cem', 5);
  await registered('dan', 1);
  await new Device(app.url, 'cem', 'cem-0').start();
  expect(await known('cem')).toHaveLength(5);
});

it('one that had to go comes back with its next start', async () => {
  const [first] = await registered('eve', 6);
  expect(await known('eve')).not.toContain('eve-0');
  await first?.start();
  await first?.pull();
  expect(await known('eve')).toContain('eve-0');
});

it('many at once leave no more either, once another one comes [W-LOAD-20]', async () => {
  const devices = Array.from({ length: 30 }, (_, n) => new Device(app.url, 'many', `many-${n}`));
  await Promise.all(devices.map(async (device) => device.schema().then(() => device.register())));
  await new Device(app.url, 'many', 'last').start();
  expect(await known('many')).toHaveLength(5);
});
