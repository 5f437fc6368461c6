import { randomBytes, randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ADAPTERS } from '../../support/adapters.js';
import { startApp, type RunningApp } from '../../support/app.js';
import { createDatabase, type TestDatabase } from '../../support/database.js';
import { Device } from '../../support/device.js';
import { toJson, type PushResponse } from '../../support/wire.js';

function prose(length: number): string {
  return randomBytes(length).toString('base64').slice(0, length);
}

/** What the published SDKs send at their most: batches of 1,000 changes, bodies of up to 16 MB. */
describe.each(ADAPTERS)('on %s, an honest device is not refused [W-LOAD-9]', (_platform, adapter) => {
  let database: TestDatabase;
  let app: RunningApp;
  let phone: Device;

  beforeAll(async () => {
    database = await createDatabase();
    app = await startApp({ database, adapter: adapter(), synchro: { replication: false } });
    phone = new Device(app.url, 'alice');
    await phone.register();
  });
  afterAll(async () => {
    await app.close();
    await database.drop();
  });

  async function push(rows: readonly object[]): Promise<void> {
    const changes = rows.map((row) => ({
      id: randomUUID(),
      table_name: 'tasks',
      operation: 'create',
      data: { user_id: 'alice', title: 'a title', ...row },
      client_updated_at: new Date().toISOString(),
      base_updated_at: null,
    }));
    const body = toJson({ client_id: phone.clientId, ...(await phone.schemaIds()), changes });
    expect(body.length).toBeLessThan(16 * 1024 * 1024);
    const { status, json } = await phone.send('push', body);
    expect(status).toBe(200);
    const { accepted, rejected } = json as unknown as PushResponse;
    expect(rejected).toEqual([]);
    expect(accepted).toHaveLength(rows.length);
  }

  it('with 1,000 rows of 15 kB', () => push(Array.from({ length: 1_000 }, () => ({ title: prose(15_000) }))));

  it('with one text of 15 MB', () => push([{ title: prose(15_000_000) }]));

  it('with a picture of 10 MB', () => push([{ cover: randomBytes(10_000_000).toString('base64') }]));

  // A track of positions, as Swift and Kotlin send documents, and as JavaScript does.
  const track = Array.from({ length: 130_000 }, (_each, n) => [8.5 + n / 7e5, 47.4 - n / 3e5, 408.5, n]);

  it('with a document of 5 MB as text', async () => {
    const metadata = JSON.stringify({ track });
    expect(metadata.length).toBeGreaterThan(4_000_000);
    await push([{ metadata }]);
  });

  it('with the same document as JSON', () => push([{ metadata: { track } }]));

  it('with 1,000 rows of all columns, and documents of their own', () =>
    push(
      Array.from({ length: 1_000 }, (_each, n) => ({
        priority: n,
        estimate: `${n}.25`,
        big_count: '9223372036854775807',
        labels: JSON.stringify(['a', 'b', `c${n}`]),
        metadata: JSON.stringify({ notes: prose(8_000), tiny: 1.5e-9, tree: [[[[[[n]]]]]] }),
        due_at: '2026-01-01T00:00:00.123456Z',
        cover: randomBytes(1_000).toString('base64'),
      })),
    ));

  it('that knows 20,000 buckets', async () => {
    const known_buckets = Array.from({ length: 20_000 }, () => `task:${randomUUID()}`);
    const answer = await phone.send('pull', {
      client_id: phone.clientId,
      ...(await phone.schemaIds()),
      checkpoint: 0,
      known_buckets,
    });
    expect(answer.status).not.toBe(400);
  });
});
