import { randomUUID } from 'node:crypto';
import { request as httpRequest } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ADAPTERS } from '../../support/adapters.js';
import { startApp, type RunningApp } from '../../support/app.js';
import { createDatabase, type TestDatabase } from '../../support/database.js';
import { Device } from '../../support/device.js';
import { send, toJson, type PushResponse, type WireAnswer } from '../../support/wire.js';

const MEGABYTE = 1024 * 1024;

describe.each(ADAPTERS)('on %s', (_platform, adapter) => {
  let database: TestDatabase;
  let app: RunningApp;

  beforeAll(async () => {
    database = await createDatabase();
    app = await startApp({ database, adapter: adapter(), synchro: { replication: false } });
  });
  afterAll(async () => {
    await app.close();
    await database.drop();
  });

  async function pushBody(userId: string, bytes: number): Promise<string> {
    const device = new Device(app.url, userId);
    await device.register();
    const ids = { client_id: device.clientId, ...(await device.schemaIds()) };
    return toJson({ ...ids, changes: [], more: '' }).replace('"more":""', `"more":"${'x'.repeat(bytes)}"`);
  }

  async function push(userId: string, bytes: number): Promise<number> {
    const body = await pushBody(userId, bytes);
    return (await send(`${app.url}/sync/push`, { body, headers: { 'X-User-ID': userId } })).status;
  }

  /** A large body that comes but for its end. */
  async function slowly(userId: string): Promise<() => Promise<number | undefined>> {
    const body = await pushBody(userId, 14 * MEGABYTE);
    const request = httpRequest(`${app.url}/sync/push`, {
      method: 'POST',
      headers: { 'X-User-ID': userId, 'Content-Length': body.length },
    });
    const answered = new Promise<number | undefined>((resolve, reject) => {
      request.once('response', (response) => resolve(response.resume().statusCode)).once('error', reject);
    });
    // More than the network holds: its turn has come when this is gone.
    await new Promise((resolve) => request.write(body.slice(0, -10), resolve));
    return () => {
      request.end(body.slice(-10));
      return answered;
    };
  }

  it("a user's slow upload holds up nothing, and of more the rest waits [W-LOAD-21] [W-LOAD-28]", async () => {
    const first = await slowly('ann');
    expect(await push('ann', 2 * MEGABYTE)).toBe(200);
    const second = await slowly('ann');
    let isThirdAnswered = false;
    const third = push('ann', 2 * MEGABYTE).finally(() => (isThirdAnswered = true));
    expect(await push('ben', 2 * MEGABYTE)).toBe(200);
    expect(await push('ann', 1_000)).toBe(200);
    expect(isThirdAnswered).toBe(false);
    expect(await first()).toBe(200);
    expect(await third).toBe(200);
    expect(await second()).toBe(200);
  });

  it.each(['register', 'snapshot'])('is refused where no honest one is: %s [W-LOAD-33]', async (path) => {
    const phone = new Device(app.url, 'dora');
    await phone.register();
    const body = toJson({ client_id: phone.clientId, ...(await phone.schemaIds()), client_name: '' });
    const named = (bytes: number): string => body.replace('""', `"${'x'.repeat(bytes)}"`);
    expect(await phone.send(path, named(0.9 * MEGABYTE))).not.toMatchObject({ status: 413 });
    const error = 'request body is larger than 1 MB';
    expect(await phone.send(path, named(15 * MEGABYTE))).toMatchObject({ status: 413, json: { error } });
  });

  it('an answer of megabytes arrives as it is, whatever characters it has [W-LOAD-24]', async () => {
    const phone = new Device(app.url, 'carl');
    await phone.register();
    const [id, title] = [randomUUID(), `x${'\u{1f600}é'.repeat(300_000)}`];
    const change = {
      id,
      table_name: 'tasks',
      operation: 'create',
      data: { user_id: 'carl', title },
      client_updated_at: new Date().toISOString(),
    };
    const pushed = async (changes: readonly object[]): Promise<WireAnswer['json']> => {
      const body = toJson({ client_id: phone.clientId, ...(await phone.schemaIds()), changes });
      const { status, json } = await phone.send('push', body);
      expect(status).toBe(200);
      return json;
    };
    await pushed([change]);
    const stale = {
      ...change,
      operation: 'update',
      data: { title: 'y' },
      client_updated_at: '2001-01-01T00:00:00Z',
    };
    const { rejected } = (await pushed([stale, stale, stale])) as unknown as PushResponse;
    const titles = (rejected as unknown as { server_version: { data: { title: string } } }[]).map(
      ({ server_version: version }) => version.data.title === title,
    );
    expect(titles).toEqual([true, true, true]);
  });
});
