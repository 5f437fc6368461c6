import { afterEach, describe, expect, it } from 'vitest';
import { eventually } from '../../../test/support/wait.js';
import { memoryStore, type AnyTables, type Store, type Sync } from '../../src/index.js';
import { Fate } from '../fleet/fate.js';
import { mortalStore } from '../fleet/mortal-store.js';
import { TabHub } from '../fleet/tab-hub.js';
import { device, insertTask } from '../support/devices.js';
import { gate, type Network } from '../support/network.js';
import { sampleUser } from '../support/sample-user.js';

const sample = sampleUser();
const fates: Fate[] = [];
afterEach(() => {
  for (const fate of fates.splice(0)) fate.thaw();
});

async function tab(
  hub: TabHub,
  store: Store,
  network?: Network,
): Promise<{ sync: Sync<AnyTables>; fate: Fate }> {
  const fate: Fate = new Fate(() => hub.leave(hubTab));
  const hubTab = hub.join(fate);
  fates.push(fate);
  const sync = await device(sample.server.url, sample.user, {
    store: mortalStore(store, fate, hubTab),
    ...(network && { fetch: network.fetch }),
  });
  return { sync, fate };
}

async function logEnd(): Promise<number> {
  const [position] = await sample.server.database.query<{ n: string }>(
    'SELECT last_seq AS n FROM sync_wal_position',
  );
  return Number(position?.n);
}

describe('a tab that waits until it has caught up', () => {
  it('is answered by the next leader where it loses the lead itself [W-CLIENT-18]', async () => {
    const [hub, store] = [new TabHub(), memoryStore()];
    const first = await tab(hub, store, sample.network);
    await first.sync.caughtUp();
    const second = await tab(hub, store);
    const answer = gate();
    sample.network.before = ({ route }) => (route === 'pull' ? answer.opened : undefined);
    const before = sample.network.to('pull').length;
    const caught = first.sync.caughtUp({ timeout: 10_000 });
    await eventually(() => sample.network.to('pull').length > before);
    first.fate.freeze();
    hub.steal();
    await second.sync.caughtUp();
    first.fate.thaw();
    await expect(caught).resolves.toBeUndefined();
    answer.open();
  });
});

describe('a leader that dies', () => {
  it('leaves no tab without what it stored and told nobody [W-CLIENT-20]', async () => {
    const [hub, store] = [new TabHub(), memoryStore()];
    const first = await tab(hub, store, sample.network);
    await first.sync.caughtUp();
    const second = await tab(hub, store);
    const tasks = second.sync.table('tasks');
    await tasks.load();
    const pull = gate();
    sample.network.before = ({ route }) => (route === 'pull' ? pull.opened : undefined);
    const before = await logEnd();
    await insertTask(sample.server, sample.user, 'Milk');
    await eventually(async () => (await logEnd()) > before);
    first.fate.dieAtWrite(1, true);
    const late = expect(first.sync.caughtUp({ timeout: 1_000 })).rejects.toMatchObject({
      code: 'not_caught_up',
    });
    pull.open();
    await eventually(() => first.fate.isDead);
    await late;
    await eventually(() => tasks.query().length === 1, { timeout: 5_000 });
  });
});

describe('a tab that dies', () => {
  it('leaves its last edit to the one that leads, which pushes it before it has caught up [W-CLIENT-20]', async () => {
    const [hub, store] = [new TabHub(), memoryStore()];
    const first = await tab(hub, store);
    await first.sync.caughtUp();
    const second = await tab(hub, store);
    second.fate.dieAtWrite(1, true);
    await expect(second.sync.table('tasks').create({ title: 'Milk' })).rejects.toMatchObject({
      code: 'closed',
    });
    await first.sync.caughtUp();
    expect(await sample.titles()).toEqual(['Milk']);
  });
});

describe('a start', () => {
  it('at which the store can’t be written is tried again [W-CLIENT-21]', async () => {
    const store = memoryStore();
    const before = await device(sample.server.url, sample.user, { store });
    await before.caughtUp();
    await before.close();
    const fate = new Fate(() => {});
    fate.fill(1);
    const sync = await device(sample.server.url, sample.user, { store: mortalStore(store, fate, null) });
    await sync.caughtUp({ timeout: 10_000 });
    expect(sync.status.get()).toMatchObject({ storage: 'memory', error: null });
  });
});
