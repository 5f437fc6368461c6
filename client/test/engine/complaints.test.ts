import { afterEach, describe, expect, it, vi } from 'vitest';
import { eventually } from '../../../test/support/wait.js';
import { memoryStore } from '../../src/index.js';
import { device, insertTask, syncedDevice } from '../support/devices.js';
import { gate, OFFLINE } from '../support/network.js';
import { sampleUser } from '../support/sample-user.js';

const sample = sampleUser();
afterEach(() => {
  vi.useRealTimers();
});

/** A number that does not fit into numeric(10,2). */
const TOO_LARGE = '99999999999.99';

describe('an upload', () => {
  it('that failed is tried again by itself, after the pause that the server asks for [W-CLIENT-1]', async () => {
    const sync = await syncedDevice(sample.server.url, sample.user, { fetch: sample.network.fetch });
    let failures = 0;
    sample.network.fault = ({ route }) => {
      if (route !== 'push' || failures === 1) return undefined;
      failures += 1;
      // Without the header, it would wait for a second at most.
      return { status: 503, headers: { 'retry-after': '2' } };
    };
    const began = performance.now();
    const { verdict } = await sync.table('tasks').create({ title: 'Milk' });
    expect(await verdict).toEqual({ status: 'applied' });
    expect(performance.now() - began).toBeGreaterThan(2_000);
    expect(await sample.titles()).toEqual(['Milk']);
  });

  it('with one bad record does not block the others [W-CLIENT-1]', async () => {
    const sync = await syncedDevice(sample.server.url, sample.user, { fetch: sample.network.fetch });
    sample.network.fault = OFFLINE;
    const tasks = sync.table('tasks');
    const bad = await tasks.create({ title: 'Bad', estimate: TOO_LARGE });
    await tasks.create({ title: 'Good' });
    sample.network.fault = () => undefined;
    expect(await bad.verdict).toMatchObject({ status: 'rejected', reason: 'invalid_data' });
    await sync.caughtUp();
    expect(await sample.titles()).toEqual(['Good']);
    await tasks.load();
    expect(tasks.get(bad.id)).toBeUndefined();
    expect(sync.rejected.get()).toMatchObject([{ id: bad.id, patch: { title: 'Bad', estimate: TOO_LARGE } }]);
  });

  it('on which the server chokes is halved until the one record stands alone [W-CLIENT-1]', async () => {
    const sync = await syncedDevice(sample.server.url, sample.user, { fetch: sample.network.fetch });
    sample.network.fault = OFFLINE;
    const writes = await sync.transaction((tx) => {
      for (const title of ['A', 'poison', 'B', 'C']) tx.table('tasks').create({ title });
    });
    sample.network.fault = ({ body }) =>
      JSON.stringify(body).includes('poison') ? { status: 400 } : undefined;
    expect(await writes[1]?.verdict).toMatchObject({ status: 'rejected', reason: 'bad_request' });
    await sync.caughtUp();
    expect(await sample.titles()).toEqual(['A', 'B', 'C']);
    expect(sync.rejected.get()).toMatchObject([{ patch: { title: 'poison' } }]);
  });

  it('whose answer was lost is neither lost nor made twice [W-CLIENT-3]', async () => {
    const sync = await syncedDevice(sample.server.url, sample.user, { fetch: sample.network.fetch });
    let lost = 0;
    sample.network.fault = ({ route }) => {
      if (route !== 'push' || lost === 1) return undefined;
      lost += 1;
      return 'lost';
    };
    const { id, verdict } = await sync.table('tasks').create({ title: 'Milk' });
    expect(await verdict).toMatchObject({ status: 'applied' });
    await sync.caughtUp();
    expect(await sample.titles()).toEqual(['Milk']);
    expect(sample.network.to('push').length).toBeGreaterThan(1);
    expect(sync.rejected.get()).toEqual([]);
    await sync.table('tasks').load();
    expect(sync.table('tasks').get(id)).toMatchObject({ user_id: sample.user });
  });

  it('that was under way when the app was killed goes on with the next start [W-CLIENT-3]', async () => {
    const store = memoryStore();
    const first = await syncedDevice(sample.server.url, sample.user, { store, fetch: sample.network.fetch });
    sample.network.fault = ({ route }) => (route === 'push' ? 'lost' : undefined);
    const { id } = await first.table('tasks').create({ title: 'Milk' });
    await eventually(() => sample.network.to('push').length > 0);
    await first.close();
    sample.network.fault = () => undefined;
    const second = await device(sample.server.url, sample.user, { store, fetch: sample.network.fetch });
    // The server may have the record: the delete has to reach it.
    await second.table('tasks').delete(id);
    await second.caughtUp();
    expect(await sample.titles()).toEqual([]);
    await second.table('tasks').load();
    expect(second.table('tasks').query()).toEqual([]);
  });

  it('is not touched by the verdict on an older edit [W-CLIENT-2]', async () => {
    const sync = await syncedDevice(sample.server.url, sample.user, { fetch: sample.network.fetch });
    const answer = gate();
    sample.network.after = ({ route }) => (route === 'push' ? answer.opened : undefined);
    const tasks = sync.table('tasks');
    await tasks.load();
    const first = await tasks.create({ title: 'First' });
    await eventually(() => sample.network.to('push').length > 0);
    const second = await tasks.update(first.id, { title: 'Second' });
    answer.open();
    expect(await first.verdict).toEqual({ status: 'applied' });
    expect(tasks.get(first.id)?.['title']).toBe('Second');
    expect(await second.verdict).toEqual({ status: 'applied' });
    expect(await sample.titles()).toEqual(['Second']);
  });
});

describe('“synced”', () => {
  it('means that the server has it, not that it is stored here [W-CLIENT-22]', async () => {
    const sync = await syncedDevice(sample.server.url, sample.user, { fetch: sample.network.fetch });
    sample.network.fault = OFFLINE;
    const { verdict } = await sync.table('tasks').create({ title: 'Milk' });
    let told: unknown = null;
    void verdict.then((what) => (told = what));
    await expect(sync.caughtUp({ timeout: 100 })).rejects.toMatchObject({ code: 'not_caught_up' });
    expect([told, sync.status.get().pending]).toEqual([null, 1]);
    sample.network.fault = () => undefined;
    expect(await verdict).toEqual({ status: 'applied' });
    expect(await sample.titles()).toEqual(['Milk']);
    await sync.caughtUp();
    expect(sync.status.get().pending).toBe(0);
  });
});

describe('what is seen', () => {
  it('does not flicker when an older pull’s answer comes after a verdict [W-CLIENT-4]', async () => {
    const id = await insertTask(sample.server, sample.user, 'Old');
    // Only the test makes the device pull.
    sample.network.fault = ({ route }) => (route === 'live' ? { status: 404 } : undefined);
    const sync = await syncedDevice(sample.server.url, sample.user, { fetch: sample.network.fetch });
    const tasks = sync.table('tasks');
    await tasks.load();
    const logEnd = async (): Promise<number> => {
      const [position] = await sample.server.database.query<{ n: string }>(
        'SELECT last_seq AS n FROM sync_wal_position',
      );
      return Number(position?.n);
    };
    const before = await logEnd();
    await sample.server.database.query(
      'UPDATE tasks SET priority = 1, updated_at = clock_timestamp() WHERE id = $1',
      [id],
    );
    await eventually(async () => (await logEnd()) > before);
    const seen: unknown[] = [];
    tasks.subscribe(() => seen.push(tasks.get(id)?.['title']));
    const late = gate();
    let held = 0;
    sample.network.after = ({ route }) => (route === 'pull' && (held += 1) === 1 ? late.opened : undefined);
    const caught = sync.caughtUp();
    await eventually(() => held === 1);
    await (
      await tasks.update(id, { title: 'New' })
    ).verdict;
    late.open();
    await caught;
    await sync.caughtUp();
    expect(new Set(seen)).toEqual(new Set(['New']));
    expect(tasks.get(id)).toMatchObject({ title: 'New', priority: 1 });
  });
});

describe('an expired token', () => {
  it('is asked for again, and neither ends the sync nor drops the queue [W-CLIENT-7]', async () => {
    const asked: boolean[] = [];
    const token = ({ refused }: { refused: boolean }): string => {
      asked.push(refused);
      return refused ? 'new' : 'old';
    };
    const sync = await syncedDevice(sample.server.url, sample.user, { token, fetch: sample.network.fetch });
    sample.network.fault = ({ route, headers }) =>
      route === 'push' && headers.get('authorization') === 'Bearer old' ? { status: 401 } : undefined;
    expect(await (await sync.table('tasks').create({ title: 'Milk' })).verdict).toEqual({
      status: 'applied',
    });
    expect(asked).toContain(true);
    sample.network.fault = () => ({ status: 401 });
    const { verdict } = await sync.table('tasks').create({ title: 'Bread' });
    await expect(sync.caughtUp({ timeout: 1 })).rejects.toMatchObject({ code: 'not_caught_up' });
    await eventually(() => sync.status.get().phase === 'needs-auth');
    sample.network.fault = () => undefined;
    expect(await verdict).toEqual({ status: 'applied' });
    expect(await sample.titles()).toEqual(['Bread', 'Milk']);
  });
});

describe('a clock that jumps', () => {
  // Longer than any wait of the client, and not too long for a timer, which would end at once then.
  it.each([
    ['ahead', 20 * 86_400_000],
    ['back', -20 * 86_400_000],
  ])('%s neither stops the sync nor loses an edit [W-CLIENT-12]', async (_name, jump) => {
    const sync = await syncedDevice(sample.server.url, sample.user, { fetch: sample.network.fetch });
    sample.network.fault = OFFLINE;
    const { id } = await sync.table('tasks').create({ title: 'Milk' });
    await eventually(() => sync.status.get().error !== null);
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + jump });
    await sync.table('tasks').update(id, { title: 'Bread' });
    sample.network.fault = () => undefined;
    await sync.caughtUp();
    expect(await sample.titles()).toEqual(['Bread']);
  });
});
