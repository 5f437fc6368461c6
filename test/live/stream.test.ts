import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { SyncEngine, SyncStatus } from '../../lib/index.js';
import { startApp, type RunningApp } from '../support/app.js';
import { consumed } from '../support/consumer.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { Device } from '../support/device.js';
import { LiveStream, type LiveStreamOptions } from '../support/live-stream.js';
import { insertTask, share } from '../support/sample-rows.js';
import { eventually } from '../support/wait.js';

describe('the live stream', () => {
  let database: TestDatabase;
  let consuming: RunningApp;
  let other: RunningApp;
  const streams: LiveStream[] = [];
  let users = 0;

  beforeAll(async () => {
    database = await createDatabase();
    const synchro = { live: { subscriptionInterval: '1s', heartbeat: '1s' } } as const;
    consuming = await startApp({ database, synchro });
    other = await startApp({ database, synchro: { ...synchro, replication: false } });
    await consumed(database);
  });

  afterEach(async () => {
    for (const stream of streams.splice(0)) stream.close();
    for (const { app } of [consuming, other])
      await eventually(async () => (await app.get(SyncStatus).read()).live.connections === 0);
  });

  afterAll(async () => {
    await other.close();
    await consuming.close();
    await database.drop();
  });

  async function startDevice(app = consuming): Promise<Device> {
    users += 1;
    const device = new Device(app.url, `user-${users}`);
    await device.start();
    return device;
  }

  async function connect(device: Device, options: LiveStreamOptions = {}): Promise<LiveStream> {
    const stream = await LiveStream.open(device, options);
    streams.push(stream);
    return stream;
  }

  const instances = (): readonly (readonly [string, RunningApp])[] => [
    ['that consumes', consuming],
    ['that does not', other],
  ];

  it('begins at once, with headers that keep proxies from holding it back', async () => {
    const device = await startDevice();
    const stream = await connect(device);
    expect(stream.status).toBe(200);
    expect(stream.response.headers).toMatchObject({
      'content-type': 'text/event-stream',
      'cache-control': 'no-store, no-transform',
      'x-accel-buffering': 'no',
    });
    const hello = await stream.first('hello');
    expect(hello.data).toEqual({
      checkpoint: expect.any(Number),
      heartbeat_ms: 1_000,
      ...(await device.schemaIds()),
    });
    expect(hello.data['checkpoint']).toBeGreaterThanOrEqual(device.checkpoint);
  });

  it('pokes a device when there is something that it can pull by then, on each instance', async () => {
    for (const [instance, app] of instances()) {
      const device = await startDevice(app);
      const stream = await connect(device, { since: device.checkpoint });
      await stream.first('hello');
      for (let round = 0; round < 20; round++) {
        const task = await insertTask(database, device.userId, `task ${round}`);
        const before = device.checkpoint;
        const poke = await stream.pokeAt(before + 1);
        expect(poke.id).toBe(String(poke.data['checkpoint']));
        await device.pull();
        expect(device.rows('tasks').has(task), instance).toBe(true);
        expect(device.checkpoint).toBeGreaterThanOrEqual(Number(poke.data['checkpoint']));
      }
    }
  });

  it('says nothing of what others see alone', async () => {
    const [alice, bob] = [await startDevice(), await startDevice(other)];
    const [hers, his] = [await connect(alice), await connect(bob)];
    await hers.first('hello');
    await his.first('hello');
    await insertTask(database, bob.userId, 'his');
    await his.first('poke');
    await insertTask(database, alice.userId, 'hers');
    await hers.first('poke');
    expect(hers.pokes()).toHaveLength(1);
    expect(his.pokes()).toHaveLength(1);
  });

  it('pokes at once who comes back with a checkpoint, or a Last-Event-ID, after which there is something', async () => {
    for (const [instance, app] of instances()) {
      const device = await startDevice(app);
      await insertTask(database, device.userId, 'meanwhile');
      await consumed(database);
      const since = await connect(device, { since: device.checkpoint });
      await since.first('poke');
      const id = await connect(device, { headers: { 'Last-Event-ID': String(device.checkpoint) } });
      await id.first('poke');
      await device.pull();
      const none = await connect(device, { since: device.checkpoint });
      await none.first('hello');
      await insertTask(database, device.userId, 'later');
      await none.first('poke');
      expect(none.pokes(), instance).toHaveLength(1);
      const unknown = await connect(device, { since: 2 ** 50 });
      await unknown.first('poke');
    }
  });

  it('loses nothing that comes while devices connect [W-LIVE-3]', async () => {
    for (const [, app] of instances()) {
      const device = await startDevice(app);
      const early = await connect(device);
      await early.first('hello');
      for (let round = 0; round < 30; round++) {
        const [stream, task] = await Promise.all([
          connect(device, { since: device.checkpoint }),
          insertTask(database, device.userId, `task ${round}`),
        ]);
        await stream.first('poke');
        await eventually(async () => {
          await device.pull();
          return device.rows('tasks').has(task);
        });
        stream.close();
      }
    }
  });

  it('follows the subscriptions: a row that comes into sight, and then its changes', async () => {
    for (const [instance, app] of instances()) {
      const [alice, bob] = [await startDevice(app), await startDevice(app)];
      const task = await insertTask(database, alice.userId, 'shared');
      await consumed(database);
      const stream = await connect(bob, { since: bob.checkpoint });
      await stream.first('hello');
      await share(database, task, bob.userId);
      await eventually(async () => {
        await stream.pokeAt(bob.checkpoint + 1);
        await bob.pull();
        return bob.rows('tasks').has(task);
      });
      const { checkpoint } = bob;
      await database.query('UPDATE tasks SET title = $2, updated_at = now() WHERE id = $1', [task, 'new']);
      await stream.pokeAt(checkpoint + 1);
      await bob.pull();
      expect(bob.row('tasks', task), instance).toMatchObject({ title: 'new' });
    }
  });

  it('gives signs of life', async () => {
    const stream = await connect(await startDevice());
    await eventually(() => stream.comments >= 2);
  });

  it('is for registered devices of users that the guards know', async () => {
    const stranger = new Device(consuming.url, 'stranger');
    expect((await connect(stranger)).status).toBe(404);
    const device = await startDevice();
    expect((await connect(device, { headers: { 'X-User-ID': '' } })).status).toBe(401);
    expect((await device.send('live')).json).toEqual({ error: 'client_id is required' });
    expect((await device.send('live?client_id=%00')).status).toBe(400);
    expect((await device.send(`live?client_id=${device.clientId}&since=x`)).status).toBe(400);
    expect((await device.send(`live?client_id=${device.clientId}`, {})).status).toBe(405);
  });

  it('cuts off a user whom the host disconnects, on every instance, and a device that is revoked [W-LIVE-4]', async () => {
    const [device, bystander] = [await startDevice(), await startDevice()];
    const own = [await connect(device), await connect(device, { url: other.url })];
    const theirs = await connect(bystander);
    for (const stream of [...own, theirs]) await stream.first('hello');
    const begun = performance.now();
    await other.app.get(SyncEngine).disconnect(device.userId);
    for (const stream of own) {
      expect((await stream.first('bye')).data).toMatchObject({ reason: 'unauthorized' });
      await stream.ended();
    }
    expect(performance.now() - begun).toBeLessThan(2_000);
    expect(theirs.isEnded).toBe(false);

    const again = await connect(device, { url: other.url });
    await again.first('hello');
    await consuming.app.get(SyncEngine).revokeClient(device.userId, device.clientId);
    expect((await again.first('bye')).data).toMatchObject({ reason: 'unauthorized' });
    expect((await connect(device)).status).toBe(404);
  });

  it('cuts off a device that is no longer registered, whoever has forgotten it', async () => {
    const device = await startDevice(other);
    const stream = await connect(device);
    await stream.first('hello');
    await database.query('DELETE FROM sync_clients WHERE client_id = $1', [device.clientId]);
    expect((await stream.first('bye')).data).toMatchObject({ reason: 'unauthorized' });
  });

  it('wakes a device that is sent to a snapshot', async () => {
    const device = await startDevice();
    const stream = await connect(device, { since: device.checkpoint });
    await stream.first('hello');
    await database.query(
      `WITH p AS (UPDATE sync_wal_position SET last_seq = last_seq + 1 RETURNING last_seq)
       UPDATE sync_clients SET resync_seq = p.last_seq FROM p WHERE client_id = $1`,
      [device.clientId],
    );
    await stream.first('poke');
    await device.pull();
    expect(device.snapshotReasons).toEqual(['history_unavailable']);
  });

  it('wakes a device for what is written to it alone', async () => {
    const device = await startDevice();
    const stream = await connect(device, { since: device.checkpoint });
    await stream.first('hello');
    await database.query(
      `WITH p AS (UPDATE sync_wal_position SET last_seq = last_seq + 1 RETURNING last_seq)
       INSERT INTO sync_changelog (seq, bucket_id, table_name, record_id, operation)
       SELECT p.last_seq, 'client:' || c.id, 'tasks', gen_random_uuid(), 3 FROM p, sync_clients c WHERE client_id = $1`,
      [device.clientId],
    );
    await stream.first('poke');
  });

  it('tells of a new schema', async () => {
    const device = await startDevice();
    const stream = await connect(device);
    await stream.first('hello');
    await database.query('ALTER TABLE tasks ADD COLUMN extra text');
    const { data } = await stream.first('schema');
    expect(data['schema_hash']).not.toBe((await device.schemaIds()).schema_hash);
    expect(data['schema_hash']).toBe((await new Device(other.url, 'x').schema()).schema_hash);
    await database.query('ALTER TABLE tasks DROP COLUMN extra');
  });

  it('is counted by SyncStatus', async () => {
    const { live: before } = await consuming.app.get(SyncStatus).read();
    const device = await startDevice();
    const stream = await connect(device, { since: device.checkpoint });
    await stream.first('hello');
    await insertTask(database, device.userId, 'task');
    await stream.first('poke');
    const { live } = await consuming.app.get(SyncStatus).read();
    expect(live).toMatchObject({ connections: 1, pokes: before.pokes + 1 });
    expect(live.pokeDelay?.p50).toBeGreaterThan(0);
    expect(live.pokeDelay?.p99).toBeLessThan(20_000);
  });

  it('is off where the host says so', async () => {
    const app = await startApp({ database, synchro: { live: false, replication: false } });
    const device = new Device(app.url, 'alice');
    await device.start();
    expect((await device.send(`live?client_id=${device.clientId}`)).json).toEqual({ error: 'live is off' });
    expect((await connect(device)).status).toBe(404);
    await app.close();
  });
});
