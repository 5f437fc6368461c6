import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { awaitLog } from '../../lib/engine/request/await-log.js';
import { startApp, type RunningApp } from '../support/app.js';
import { consumed, withPausedConsumer } from '../support/consumer.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { Device } from '../support/device.js';
import { insertTask } from '../support/sample-rows.js';
import { eventually } from '../support/wait.js';

vi.mock(import('../../lib/engine/request/await-log.js'), { spy: true });
const { awaitLog: awaitLogItself } = await vi.importActual<
  typeof import('../../lib/engine/request/await-log.js')
>('../../lib/engine/request/await-log.js');
/** Of a snapshot, in milliseconds. */
const LONGEST_WAIT = 2_000;

let database: TestDatabase;
let app: RunningApp;

// On a busy machine the log may come later than a snapshot waits for it.
beforeEach(() => {
  vi.mocked(awaitLog).mockReset();
  vi.mocked(awaitLog).mockImplementation((dataSource, lsn, isThere) =>
    awaitLogItself(dataSource, lsn, isThere, 60_000),
  );
});
beforeAll(async () => {
  database = await createDatabase();
  app = await startApp({ database });
});
afterAll(async () => {
  await app.close();
  await database.drop();
});

async function device(user: string): Promise<Device> {
  const phone = new Device(app.url, user);
  await phone.start();
  return phone;
}

/** Pushes a new task, and returns its id. */
async function pushTask(phone: Device): Promise<string> {
  const id = randomUUID();
  const { accepted } = await phone.push([
    { id, table_name: 'tasks', operation: 'create', data: { title: 'new' } },
  ]);
  expect(accepted).toHaveLength(1);
  return id;
}

async function snapshotIds(phone: Device): Promise<readonly string[]> {
  return (await phone.snapshotPage()).records.map(({ id }) => id);
}

/** Whether a first page is answered before the log moves on, and what it has then. */
async function whilePaused(
  before: () => Promise<unknown>,
  phone: Device,
): Promise<{ readonly waited: boolean; readonly ids: readonly string[] }> {
  let answered = false;
  let page: Promise<readonly string[]> | undefined;
  await withPausedConsumer(database, async () => {
    await before();
    const [clock] = await database.query<{ now: string }>('SELECT clock_timestamp()::text AS now');
    page = snapshotIds(phone).finally(() => (answered = true));
    // It asks the consumer, or it is done.
    const asks = async (): Promise<boolean> => answered || (await isAsked(clock?.now ?? ''));
    await eventually(asks);
  });
  const waited = !answered;
  return { waited, ids: (await page) ?? [] };
}

/** Whether somebody has told the consumer how far the log has to come. */
async function isAsked(since: string): Promise<boolean> {
  const rows = await database.query(
    `SELECT FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'SELECT pg_notify($1, %'
        AND query_start > $1`,
    [since],
  );
  return rows.length > 0;
}

describe('a snapshot that begins right after a push [W-SDK-3]', () => {
  it('has what was pushed, each of 40 times', async () => {
    const phone = await device('alice');
    for (let n = 0; n < 40; n++) {
      const id = await pushTask(phone);
      await phone.snapshot();
      expect([...phone.rows('tasks').keys()]).toContain(id);
    }
  });

  it('waits for the log, and has what was pushed', async () => {
    const phone = await device('bob');
    let id = '';
    const { waited, ids } = await whilePaused(async () => (id = await pushTask(phone)), phone);
    expect(waited).toBe(true);
    expect(ids).toContain(id);
  });

  it("has what another one of the user's devices pushed", async () => {
    const [phone, tablet] = [await device('carol'), await device('carol')];
    let id = '';
    const { ids } = await whilePaused(async () => (id = await pushTask(phone)), tablet);
    expect(ids).toContain(id);
  });

  it('has the later of two pushes of two devices', async () => {
    const [phone, tablet] = [await device('judy'), await device('judy')];
    await pushTask(tablet);
    await consumed(database);
    const ids: string[] = [];
    const page = await whilePaused(async () => {
      for (const each of [phone, tablet]) ids.push(await pushTask(each));
    }, phone);
    expect(page.ids).toEqual(expect.arrayContaining(ids));
  });

  it('has an edit and a delete', async () => {
    const phone = await device('dave');
    const [edited, gone] = [await pushTask(phone), await pushTask(phone)];
    await consumed(database);
    const { ids } = await whilePaused(async () => {
      const { accepted } = await phone.push([
        { id: edited, table_name: 'tasks', operation: 'update', data: { title: 'edited' } },
        { id: gone, table_name: 'tasks', operation: 'delete' },
      ]);
      expect(accepted).toHaveLength(2);
    }, phone);
    expect(ids).toEqual([edited]);
  });

  it('does not wait for the log for longer than two seconds', async () => {
    const phone = await device('erin');
    vi.mocked(awaitLog).mockImplementation(awaitLogItself);
    await withPausedConsumer(database, async () => {
      await pushTask(phone);
      expect(await snapshotIds(phone), 'answered while the log stands still').toEqual([]);
    });
    expect(vi.mocked(awaitLog).mock.calls.map(([, , , limit]) => limit)).toEqual([LONGEST_WAIT]);
  });
});

describe('a snapshot does not wait [W-SDK-3]', () => {
  it('for what others write', async () => {
    const [phone, other] = [await device('frank'), await device('grace')];
    const { waited } = await whilePaused(async () => {
      await pushTask(other);
      await insertTask(database, 'frank', 'by SQL');
    }, phone);
    expect(waited).toBe(false);
  });

  it('for a push of which nothing was accepted', async () => {
    const phone = await device('heidi');
    const { waited } = await whilePaused(async () => {
      const { rejected } = await phone.push([{ id: 'x', table_name: 'nowhere', operation: 'delete' }]);
      expect(rejected).toHaveLength(1);
    }, phone);
    expect(waited).toBe(false);
  });

  it('on its later pages', async () => {
    const phone = await device('ivan');
    for (let n = 0; n < 3; n++) await insertTask(database, 'ivan', `task ${n}`);
    await consumed(database);
    const first = await phone.snapshotPage({ limit: 1 });
    await withPausedConsumer(database, async () => {
      await pushTask(phone);
      vi.mocked(awaitLog).mockClear();
      expect((await phone.snapshotPage({ limit: 1, cursor: first.cursor })).records).toHaveLength(1);
      expect(awaitLog).not.toHaveBeenCalled();
    });
  });
});
