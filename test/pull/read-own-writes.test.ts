import { randomUUID } from 'node:crypto';
import { type PushAcceptedEvent, SyncTable } from 'nestjs-synchro';
import { Column, Entity } from 'typeorm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseAsSdk } from '../properties/strict-json.js';
import type { RunningApp } from '../support/app.js';
import { withClient } from '../support/client.js';
import { withPausedConsumer } from '../support/consumer.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { Device, SyncHttpError } from '../support/device.js';
import { createTableSql } from '../support/schema-fixtures.js';
import { eventually } from '../support/wait.js';
import { startWalApp, SyncedRow } from '../support/wal-app.js';
import type { PushChange } from '../support/wire.js';

@Entity('docs')
@SyncTable({ ownerColumn: 'user_id' })
class Doc extends SyncedRow {
  @Column('text', { name: 'user_id' })
  userId!: string;

  @Column('integer')
  size!: number;
}

/** Larger than any position that a server comes to. */
const NEVER = '7FFFFFFF/FFFFFFFF';

/** A row that the host refuses by throwing. */
const UNLUCKY = randomUUID();

async function onPushAccepted({ accepted }: PushAcceptedEvent): Promise<void> {
  if (accepted.some(({ recordId }) => recordId === UNLUCKY)) throw new Error('a fault of the host');
}

function create(id: string, size = 1): PushChange {
  return { id, table_name: 'docs', operation: 'create', data: { size } };
}

describe('a pull after a push', () => {
  let database: TestDatabase;
  let consuming: RunningApp;
  let apiOnly: RunningApp;

  beforeAll(async () => {
    database = await createDatabase();
    await database.query(createTableSql('docs', 'user_id text NOT NULL, size integer CHECK (size > 0)'));
    consuming = await startWalApp(database, [Doc]);
    apiOnly = await startWalApp(database, [Doc], { replication: false, hooks: { onPushAccepted } });
  });

  afterAll(async () => {
    await apiOnly.close();
    await consuming.close();
    await database.drop();
  });

  /** @param work is given the positions that somebody waits for, as the consumer is told them */
  async function withAnnouncements<T>(work: (announced: readonly bigint[]) => Promise<T>): Promise<T> {
    return withClient(database.url, async (client) => {
      const announced: bigint[] = [];
      client.on('notification', ({ payload = '' }) => announced.push(BigInt(payload)));
      await client.query('LISTEN nestjs_synchro_work');
      return work(announced);
    });
  }

  async function startDevice(app = apiOnly): Promise<Device> {
    const device = new Device(app.url, `user-${randomUUID()}`);
    await device.start();
    return device;
  }

  it('has what was pushed, on every instance, once it waits for its commit [W-LIVE-1]', async () => {
    for (const [pushed, pulled] of [
      [consuming, apiOnly],
      [apiOnly, consuming],
      [apiOnly, apiOnly],
    ] as const) {
      const device = await startDevice(pushed);
      for (let round = 0; round < 20; round++) {
        const id = randomUUID();
        device.url = pushed.url;
        const { commit } = await device.push([create(id)]);
        device.url = pulled.url;
        const page = await device.pullPage({ after: commit, wait_ms: 5_000 });
        expect(page.changes.map((change) => change.id)).toContain(id);
        expect(page).not.toHaveProperty('behind');
        device.checkpoint = page.checkpoint;
      }
    }
  });

  it('says that it is behind, answers what there is, and has the rest when the log has come there', async () => {
    const device = await startDevice();
    const id = randomUUID();
    const commit = await withPausedConsumer(database, async () => {
      const { commit: token } = await device.push([create(id)]);
      for (const wait of [undefined, 0, -1, 50]) {
        const page = await device.pullPage({ after: token, wait_ms: wait });
        expect(page).toMatchObject({ changes: [], behind: true });
      }
      return token;
    });
    const page = await device.pullPage({ after: commit, wait_ms: 5_000 });
    expect(page.changes.map((change) => change.id)).toEqual([id]);
  });

  it('waits for as long as the device says, and no longer than 5 seconds', async () => {
    const device = await startDevice();
    const begun = performance.now();
    expect(await device.pullPage({ after: NEVER, wait_ms: 300 })).toMatchObject({ behind: true });
    expect(performance.now() - begun).toBeGreaterThanOrEqual(300);
    expect(await device.pullPage({ after: NEVER, wait_ms: 2 ** 40 })).toMatchObject({ behind: true });
    expect(performance.now() - begun).toBeGreaterThanOrEqual(5_300);
    expect(performance.now() - begun).toBeLessThan(30_000);
  });

  it('is answered while it waits, as soon as the log is there [W-LIVE-1]', async () => {
    const device = await startDevice();
    const id = randomUUID();
    const { pull } = await withPausedConsumer(database, async () => {
      const { commit } = await device.push([create(id)]);
      return withAnnouncements(async (announced) => {
        const waiting = device.pullPage({ after: commit, wait_ms: 5_000 });
        // It has looked once, then.
        await eventually(() => announced.length > 0);
        return { pull: waiting };
      });
    });
    const page = await pull;
    expect(page.changes.map((change) => change.id)).toEqual([id]);
    expect(page).not.toHaveProperty('behind');
  });

  it('waits for all parts of a push that one bad change has split', async () => {
    const device = await startDevice();
    const changes = Array.from({ length: 8 }, (_, n) => create(n === 4 ? UNLUCKY : randomUUID()));
    // A push that fails as a whole is split with its third try.
    const answer = await eventually(async () => {
      try {
        return await device.push(changes);
      } catch (error) {
        expect(error).toBeInstanceOf(SyncHttpError);
        return false;
      }
    });
    expect(answer.accepted).toHaveLength(7);
    const [stored] = await database.query<{ lsn: string }>(
      `SELECT ('0/0'::pg_lsn + pushed_lsn)::text AS lsn FROM sync_clients WHERE client_id = $1`,
      [device.clientId],
    );
    expect(answer.commit).toBe(stored?.lsn);
    const page = await device.pullPage({ after: answer.commit, wait_ms: 5_000 });
    expect(page.changes).toHaveLength(7);
  });

  it('has nothing to wait for when nothing was applied', async () => {
    const device = await startDevice();
    expect(await device.push([])).not.toHaveProperty('commit');
    expect(await device.push([create(randomUUID(), -1)])).not.toHaveProperty('commit');
  });

  it('has the consumer remember no position that never comes [W-LIVE-2]', async () => {
    const device = await startDevice();
    await withAnnouncements(async (announced) => {
      await device.pullPage({ after: NEVER, wait_ms: 200 });
      await eventually(() => announced.length > 0);
      const [here] = await database.query<{ lsn: string }>(
        `SELECT (pg_current_wal_insert_lsn() - '0/0')::text AS lsn`,
      );
      for (const lsn of announced) expect(lsn).toBeLessThanOrEqual(BigInt(here?.lsn ?? 0));
    });
  });

  it('is answered in a way that the published SDKs read, as is the push', async () => {
    const device = await startDevice();
    const ids = await device.schemaIds();
    const whole = { client_id: device.clientId, ...ids };
    const { text: pushed } = await device.send('push', { ...whole, changes: [create(randomUUID())] });
    expect(parseAsSdk(pushed).value).toMatchObject({ checkpoint: 0n, commit: expect.any(String) });
    const { text: pulled } = await device.send('pull', { ...whole, checkpoint: 0, after: NEVER });
    expect(parseAsSdk(pulled).value).toMatchObject({ deletes: [], behind: true });
  });
});
