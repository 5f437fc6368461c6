import { caughtUp } from 'nestjs-synchro/testing';
import { describe, expect, it } from 'vitest';
import { eventually } from '../../../test/support/wait.js';
import { memoryStore } from '../../src/store/memory-store.js';
import type { OpenStore, Store } from '../../src/store/store.js';
import { device, insertTasks, syncedDevice } from '../support/devices.js';
import { gate, type Network } from '../support/network.js';
import { sampleUser } from '../support/sample-user.js';

const sample = sampleUser();

/** Answers the next pull that a snapshot is needed. */
function snapshotOnce(): Network['fault'] {
  let isTold = false;
  return ({ route, body }) => {
    if (route !== 'pull' || isTold) return undefined;
    isTold = true;
    const snapshot = { snapshot_required: true, snapshot_reason: 'history_unavailable' };
    const rest = { changes: [], deletes: [], has_more: false, schema_version: 1, schema_hash: '' };
    return { status: 200, body: JSON.stringify({ ...rest, ...snapshot, checkpoint: body['checkpoint'] }) };
  };
}

/** A store in memory that waits before each transaction, and that a test can empty. */
class TestStore implements Store {
  private store: OpenStore | null = null;

  constructor(private readonly before: () => Promise<unknown>) {}

  async open(user: string): Promise<OpenStore> {
    const store = await memoryStore().open(user);
    this.store = store;
    return {
      ...store,
      transact: async (reads, decide) => {
        await this.before();
        return (this.store ?? store).transact(reads, decide);
      },
      readTable: (table) => (this.store ?? store).readTable(table),
    };
  }

  /** As a user does who removes the site's data. */
  async empty(user: string): Promise<void> {
    this.store = await memoryStore().open(user);
  }
}

describe('a first sync', () => {
  it('is told once for a page of a thousand rows', async () => {
    await insertTasks(sample.server, sample.user, 'Task', 2_000);
    await eventually(async () => {
      const [logged] = await sample.server.database.query<{ rows: number }>(
        `SELECT count(*)::integer AS rows FROM sync_bucket_edges WHERE bucket_id = $1`,
        [`user:${sample.user}`],
      );
      return logged?.rows === 2_000;
    });
    const sync = await device(sample.server.url, sample.user, { fetch: sample.network.fetch });
    const tasks = sync.table('tasks');
    await tasks.load();
    let notified = 0;
    tasks.subscribe(() => {
      notified += 1;
    });
    const progress: unknown[] = [];
    sync.status.subscribe(() => progress.push(sync.status.get().firstSync?.rows));
    await sync.caughtUp();
    expect(tasks.query()).toHaveLength(2_000);
    expect(notified).toBeLessThanOrEqual(
      sample.network.to('snapshot').length + sample.network.to('pull').length,
    );
    expect(progress).toContain(1_000);
    expect(sync.status.get().firstSync).toBeNull();
  });
});

describe('the pages of a first sync', () => {
  it('are stored while the next one is under way', async () => {
    const { network, server, user } = sample;
    await insertTasks(server, user, 'Task', 1_001);
    let isAnswered = false;
    network.after = async ({ route }) => {
      isAnswered ||= route === 'snapshot';
    };
    const store = new TestStore(async () => {
      if (isAnswered) await eventually(() => network.to('snapshot').length === 2);
    });
    const sync = await device(server.url, user, { fetch: network.fetch, store });
    const tasks = sync.table('tasks');
    await tasks.load();
    await sync.caughtUp();
    expect(tasks.query()).toHaveLength(1_001);
    expect(network.to('snapshot')).toHaveLength(2);
  });

  it('come again from the first one where the store is emptied between two of them [W-CLIENT-30]', async () => {
    const { network, server, user } = sample;
    await insertTasks(server, user, 'Task', 1_001);
    const store = new TestStore(async () => undefined);
    const sync = await device(server.url, user, {
      fetch: network.fetch,
      store,
    });
    network.after = async ({ route }) => {
      if (route !== 'snapshot' || network.to('snapshot').length !== 2) return;
      await eventually(() => sync.status.get().firstSync?.rows === 1_000);
      await store.empty(user);
    };
    await sync.caughtUp();
    const tasks = sync.table('tasks');
    await tasks.load();
    expect(tasks.query()).toHaveLength(1_001);
    expect(network.to('snapshot')).toHaveLength(4);
  });
});

describe('a snapshot behind the scenes', () => {
  it('leaves old rows visible and pending edits on top, and removes what is gone [W-CLIENT-8]', async () => {
    const [kept = '', gone = ''] = await insertTasks(sample.server, sample.user, 'Task', 2);
    const sync = await syncedDevice(sample.server.url, sample.user, { fetch: sample.network.fetch });
    const tasks = sync.table('tasks');
    await tasks.load();
    sample.network.fault = ({ route }) => (route === 'push' ? 'offline' : undefined);
    await tasks.update(kept, { title: 'Edited' });
    await sample.server.database.query('DELETE FROM tasks WHERE id = $1', [gone]);
    const page = gate();
    sample.network.before = ({ route }) => (route === 'snapshot' ? page.opened : undefined);
    const once = snapshotOnce();
    sample.network.fault = (request) => (request.route === 'push' ? 'offline' : once(request));
    await expect(sync.caughtUp({ timeout: 100 })).rejects.toMatchObject({ code: 'not_caught_up' });
    await eventually(() => sample.network.to('snapshot').length > 1);
    expect(tasks.query()).toHaveLength(2);
    page.open();
    await eventually(() => tasks.query().length === 1);
    expect(tasks.get(kept)?.['title']).toBe('Edited');
    sample.network.fault = () => undefined;
    await sync.caughtUp();
    expect(await sample.titles()).toEqual(['Edited']);
  });

  it.each(['while it goes on', 'once it is complete'])(
    'is later than the verdict on what was pushed before it, which comes %s [W-CLIENT-23]',
    async (when) => {
      const { network, server, user } = sample;
      const sync = await syncedDevice(server.url, user, { fetch: network.fetch });
      const tasks = sync.table('tasks');
      await tasks.load();
      const [answer, page] = [gate(), gate()];
      network.after = ({ route }) => (route === 'push' ? answer.opened : undefined);
      network.before = ({ route }) => (route === 'snapshot' ? page.opened : undefined);
      const { verdict } = await tasks.create({ title: 'Soon gone' });
      const removed = 'DELETE FROM tasks WHERE user_id = $1 RETURNING id';
      await eventually(async () => (await server.database.query(removed, [user])).length === 1);
      await caughtUp(server.app.app);
      // All of it is history for the snapshot, and for the pulls that follow it.
      const snapshots = network.to('snapshot').length;
      network.fault = snapshotOnce();
      void sync.caughtUp({ timeout: 100 }).catch(() => undefined);
      await eventually(() => network.to('snapshot').length > snapshots);
      if (when === 'while it goes on') answer.open();
      else page.open();
      if (when === 'while it goes on') expect((await verdict).status).toBe('applied');
      else await eventually(() => sync.status.get().firstSync === null && network.to('pull').length > 2);
      answer.open();
      page.open();
      expect((await verdict).status).toBe('applied');
      await sync.caughtUp();
      expect(tasks.query()).toEqual([]);
    },
  );
});
