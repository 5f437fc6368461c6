import { randomUUID } from 'node:crypto';
import { ForbiddenException, Injectable, Logger, Scope } from '@nestjs/common';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  OnCompaction,
  OnConflict,
  OnPullComplete,
  OnPushAccepted,
  OnSchemaIncompatible,
  OnSnapshotRequired,
  OnStaleClient,
  SyncEngine,
  SyncOperations,
  type AcceptedRecord,
  type CompactionEvent,
  type ConflictEvent,
  type PullCompleteEvent,
  type PushAcceptedEvent,
  type SchemaIncompatibleEvent,
  type SnapshotRequiredEvent,
  type StaleClientEvent,
  type SynchroHooks,
} from '../../lib/index.js';
import { startApp, type RunningApp } from '../support/app.js';
import { consumed, logState } from '../support/consumer.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { Device, SyncHttpError } from '../support/device.js';
import { insertTask, insertTasks, retitle } from '../support/sample-rows.js';
import type { PushChange } from '../support/wire.js';

/** The events of the hooks, by the names that they are noted under. */
interface Events {
  accepted: PushAcceptedEvent;
  conflict: ConflictEvent;
  pull: PullCompleteEvent;
  incompatible: SchemaIncompatibleEvent;
  stale: StaleClientEvent;
  compaction: CompactionEvent;
  snapshot: SnapshotRequiredEvent;
}

type Told = [hook: string, event: unknown];

/** What the hooks were told, by callbacks and by methods alike. */
const told: Told[] = [];
/** What a test wants a hook to do. */
let script: { accepted?: (event: PushAcceptedEvent) => unknown; stale?: boolean; inform?: () => void } = {};

/** A service of the host's, which also counts in the database within the push. */
@Injectable()
class Host {
  @OnPushAccepted()
  async accepted(event: PushAcceptedEvent): Promise<void> {
    told.push(['method:accepted', event]);
    await event.manager.query('INSERT INTO pushes (user_id, ids) VALUES ($1, $2)', [
      event.userId,
      event.accepted.map(({ recordId }) => recordId),
    ]);
    await script.accepted?.(event);
  }

  @OnConflict()
  conflict(event: ConflictEvent): void {
    told.push(['method:conflict', event]);
  }

  @OnPullComplete()
  pulled(event: PullCompleteEvent): void {
    told.push(['method:pull', event]);
    script.inform?.();
  }

  @OnSchemaIncompatible()
  incompatible(event: SchemaIncompatibleEvent): void {
    told.push(['method:incompatible', event]);
  }

  @OnStaleClient()
  stale(event: StaleClientEvent): boolean {
    told.push(['method:stale', event]);
    return script.stale ?? true;
  }

  @OnCompaction()
  compacted(event: CompactionEvent): void {
    told.push(['method:compaction', event]);
  }

  @OnSnapshotRequired()
  rebuild(event: SnapshotRequiredEvent): void {
    told.push(['method:snapshot', event]);
  }
}

const callbacks: SynchroHooks = {
  onPushAccepted: (event) => void told.push(['callback:accepted', event]),
  onConflict: (event) => void told.push(['callback:conflict', event]),
  onPullComplete: (event) => void told.push(['callback:pull', event]),
  onSchemaIncompatible: (event) => void told.push(['callback:incompatible', event]),
  onStaleClient: (event) => told.push(['callback:stale', event]) > 0,
  onCompaction: (event) => void told.push(['callback:compaction', event]),
  onSnapshotRequired: (event) => void told.push(['callback:snapshot', event]),
};

let database: TestDatabase;
let app: RunningApp;
let alice: Device;

beforeAll(async () => {
  Logger.overrideLogger(false);
  database = await createDatabase();
  await database.query('CREATE TABLE pushes (user_id text, ids text[])');
  app = await startApp({
    database,
    synchro: { hooks: callbacks, minClientVersion: '1.0.0', compaction: {} },
    // Also under another token: the method is still called once.
    host: { providers: [Host, { provide: 'alias', useExisting: Host }] },
  });
});

beforeEach(async () => {
  script = {};
  alice = new Device(app.url, 'alice');
  await alice.start();
  await database.query('TRUNCATE pushes');
  told.length = 0;
});

afterAll(async () => {
  await app.close();
  await database.drop();
});

/** The events of one hook, each told to the callback first, and once to the method. */
function events<Name extends keyof Events>(name: Name): readonly Events[Name][] {
  const mine = told.filter(([hook]) => hook.endsWith(`:${name}`));
  const byMethod = mine.filter(([hook]) => hook.startsWith('method:'));
  const order = byMethod.flatMap(([, event]) => [
    ['callback', event],
    ['method', event],
  ]);
  expect(mine.map(([hook, event]) => [hook.split(':')[0], event])).toEqual(order);
  return byMethod.map(([, event]) => event as Events[Name]);
}

function newTask(id: string, title: string): PushChange {
  return { id, table_name: 'tasks', operation: 'create', data: { title } };
}

const titles = async (): Promise<unknown[]> =>
  (await database.query('SELECT title FROM tasks ORDER BY title')).map(({ title }) => title);

describe('OnPushAccepted', () => {
  it('gets the accepted changes within the push, and its writes are committed with it', async () => {
    const task = alice.create('tasks', { title: 'with a hook', user_id: 'alice' });
    const comment = alice.create('comments', { task_id: task, body: 'under it' });
    await alice.pushPending();
    const [event, ...more] = events('accepted');
    expect(more).toEqual([]);
    expect(event).toMatchObject({ userId: 'alice', clientId: alice.clientId });
    expect(event?.accepted).toEqual<AcceptedRecord[]>([
      { table: 'tasks', recordId: task, operation: 'create' },
      { table: 'comments', recordId: comment, operation: 'create' },
    ]);
    expect(await database.query('SELECT * FROM pushes')).toEqual([
      { user_id: 'alice', ids: [task, comment] },
    ]);
  });

  it('[scenario 135] fails the whole push when it throws; the same push succeeds once it does not', async () => {
    const task = alice.create('tasks', { title: 'scenario 135', user_id: 'alice' });
    script.accepted = () => {
      throw new Error('the index is broken');
    };
    await expect(alice.pushPending()).rejects.toMatchObject({ status: 500 });
    expect(await titles()).not.toContain('scenario 135');
    expect(await database.query('SELECT FROM pushes')).toEqual([]);
    script = {};
    await alice.pushPending();
    expect(await titles()).toContain('scenario 135');
    expect(alice.store.pendingCount).toBe(0);
    expect(alice.row('tasks', task)).toBeDefined();
  });

  it('[scenario 140] takes valid changes back, too; alone they are accepted later', async () => {
    const [first, second] = [randomUUID(), randomUUID()];
    const readOnly = {
      id: randomUUID(),
      table_name: 'categories',
      operation: 'create',
      data: { name: 'x' },
    } as const;
    const valid = [newTask(first, '140 first'), newTask(second, '140 second')];
    script.accepted = () => Promise.reject(new Error('no'));
    await expect(alice.push([...valid, readOnly])).rejects.toBeInstanceOf(SyncHttpError);
    expect(await titles()).not.toContain('140 first');
    script = {};
    expect((await alice.push(valid)).accepted).toHaveLength(2);
    expect(await titles()).toEqual(expect.arrayContaining(['140 first', '140 second']));
  });

  it('fails the push by an error of sync that it met elsewhere, which says nothing of this device', async () => {
    alice.create('tasks', { title: 'elsewhere', user_id: 'alice' });
    script.accepted = () =>
      app.app
        .get(SyncOperations, { strict: false })
        .discardParkedRow({ userId: 'somebody', table: 'tasks', recordId: 'secret' });
    await expect(alice.pushPending()).rejects.toMatchObject({
      answer: { status: 500, json: { error: 'failed to push changes' } },
    });
    expect(await titles()).not.toContain('elsewhere');
  });

  it('refuses the push in the way of an HttpException', async () => {
    alice.create('tasks', { title: 'teapot', user_id: 'alice' });
    script.accepted = () => {
      throw new ForbiddenException('not now');
    };
    await expect(alice.pushPending()).rejects.toMatchObject({
      answer: { status: 403, json: { error: 'not now' } },
    });
    expect(await titles()).not.toContain('teapot');
  });

  it('is not called for a push without an accepted change', async () => {
    const foreign = await insertTask(database, 'bob', 'foreign');
    await alice.push([{ id: foreign, table_name: 'tasks', operation: 'update', data: { title: 'mine' } }]);
    expect(events('accepted')).toEqual([]);
  });

  it('can not lose a push by swallowing an error of the transaction', async () => {
    alice.create('tasks', { title: 'swallowed', user_id: 'alice' });
    script.accepted = ({ manager }) => manager.query('SELECT 1/0').catch(() => undefined);
    await expect(alice.pushPending()).rejects.toMatchObject({ status: 500 });
    script = {};
    await alice.pushPending();
    expect(await titles()).toContain('swallowed');
  });

  it('gets a child that waited for its parent when it is written, not before', async () => {
    const [parent, child] = [randomUUID(), randomUUID()];
    await alice.push([
      { id: child, table_name: 'comments', operation: 'create', data: { task_id: parent, body: 'early' } },
    ]);
    expect(events('accepted')).toEqual([]);
    await alice.push([{ id: parent, table_name: 'tasks', operation: 'create', data: { title: 'late' } }]);
    expect(events('accepted')[0]?.accepted.map(({ recordId }) => recordId)).toEqual([parent, child]);
  });
});

describe('OnConflict', () => {
  it('gets a true conflict with its resolution, after the commit, and can not change it', async () => {
    const id = await insertTask(database, 'alice', 'server');
    const old = '2020-01-01T00:00:00.000Z';
    const answer = await alice.push([
      {
        id,
        table_name: 'tasks',
        operation: 'update',
        data: { title: 'client' },
        client_updated_at: old,
        base_updated_at: old,
      },
    ]);
    expect(answer.rejected).toMatchObject([{ status: 'conflict' }]);
    const [event] = events('conflict');
    expect(event).toMatchObject({
      conflict: { table: 'tasks', recordId: id, userId: 'alice', clientId: alice.clientId, baseVersion: old },
      resolution: { winner: 'server', reason: 'server version is newer' },
    });
    expect(JSON.parse(event?.conflict.serverData ?? '')).toMatchObject({ title: 'server' });
    expect(JSON.parse(event?.conflict.clientData ?? '')).toMatchObject({ title: 'client' });
  });
});

describe('OnPullComplete', () => {
  it('gets the checkpoint of the answer and the number of changes', async () => {
    await insertTasks(database, 'alice', 'pulled', 3);
    await consumed(database);
    const [page] = await alice.pull();
    expect(events('pull')).toEqual([
      { userId: 'alice', clientId: alice.clientId, checkpoint: String(alice.checkpoint), count: 3 },
    ]);
    expect(page?.changes).toHaveLength(3);
  });

  it('fails nothing when it throws', async () => {
    script.inform = () => {
      throw new Error('informing hooks only inform');
    };
    await alice.pull();
    expect(events('pull')).toHaveLength(1);
  });
});

describe('OnSchemaIncompatible', () => {
  it('gets a client below the minimum, by its header and by its registration', async () => {
    const old = new Device(app.url, 'carol', 'carols-phone', { appVersion: '0.9.0' });
    await expect(old.schema()).rejects.toMatchObject({ status: 426 });
    const ids = await alice.schemaIds();
    const body = { client_id: 'carols-phone', checkpoint: 0, ...ids };
    expect((await old.send('pull', body)).status).toBe(426);
    const silent = new Device(app.url, 'carol', 'carols-tablet', { headers: { 'X-App-Version': '' } });
    const registration = { client_id: 'carols-tablet', platform: 'x', app_version: 'v0.9.9', ...ids };
    expect((await silent.send('register', registration)).status).toBe(426);
    const common = { userId: 'carol', minVersion: '1.0.0' };
    expect(events('incompatible')).toEqual([
      { ...common, clientId: null, clientVersion: '0.9.0' },
      { ...common, clientId: 'carols-phone', clientVersion: '0.9.0' },
      { ...common, clientId: 'carols-tablet', clientVersion: 'v0.9.9' },
    ]);
    expect(await database.query(`SELECT FROM sync_clients WHERE user_id = 'carol'`)).toEqual([]);
  });
});

describe('OnStaleClient', () => {
  it('refuses a device that has synced before with 410, and leaves its edits on it [W-HTTP-3] [W-CLI-3]', async () => {
    await database.query(
      `UPDATE sync_clients SET last_sync_at = '2024-01-02 03:04:05Z' WHERE client_id = $1`,
      [alice.clientId],
    );
    alice.create('tasks', { title: 'kept', user_id: 'alice' });
    script.stale = false;
    for (const attempt of [() => alice.pushPending(), () => alice.pull(), () => alice.snapshotPage()])
      await expect(attempt()).rejects.toMatchObject({
        answer: { status: 410, json: { error: 'client has not synced for too long' } },
      });
    const asked = events('stale');
    expect(asked).toHaveLength(3);
    expect(asked[0]).toMatchObject({
      userId: 'alice',
      clientId: alice.clientId,
      lastSyncAt: new Date('2024-01-02T03:04:05Z'),
    });
    expect(alice.store.pendingCount).toBe(1);
    script.stale = true;
    await alice.sync();
    expect(await titles()).toContain('kept');
  });

  it('is not asked about a device that has never synced', async () => {
    const fresh = new Device(app.url, 'alice');
    await fresh.register();
    await fresh.snapshotPage();
    expect(events('stale')).toEqual([]);
  });
});

describe('OnCompaction', () => {
  it('gets the result of a run', async () => {
    const result = await app.app.get(SyncEngine, { strict: false }).runCompaction();
    expect(events('compaction')).toEqual([{ result }]);
  });
});

describe('OnSnapshotRequired', () => {
  it('gets the true reason, the checkpoint and the floor, but not for a first snapshot', async () => {
    const fresh = new Device(app.url, 'alice');
    await fresh.register();
    expect((await fresh.pullPage()).snapshot_reason).toBe('initial_sync_required');
    expect(events('snapshot')).toEqual([]);

    const id = await insertTask(database, 'alice', 'history');
    await retitle(database, id, 'more history');
    await consumed(database);
    await database.query('UPDATE sync_wal_position SET floor_seq = last_seq');
    const { last: lastSeq } = await logState(database);
    await alice.pullPage({ checkpoint: 1 });
    await alice.pullPage({ checkpoint: lastSeq + 1000 });
    const common = { userId: 'alice', clientId: alice.clientId, minSeq: String(lastSeq) };
    expect(events('snapshot')).toEqual([
      { ...common, checkpoint: '1', reason: 'checkpoint_before_retention' },
      { ...common, checkpoint: String(lastSeq + 1000), reason: 'history_unavailable' },
    ]);
    expect(events('pull')).toEqual([]);
  });
});

describe('a decorated method', () => {
  @Injectable({ scope: Scope.REQUEST })
  class PerRequest {
    @OnConflict()
    conflict(): void {}
  }
  @Injectable()
  class DependsOnRequest {
    constructor(readonly service: PerRequest) {}
    @OnPullComplete()
    pulled(): void {}
  }
  @Injectable({ scope: Scope.TRANSIENT })
  class Transient {
    @OnPushAccepted()
    accepted(): void {}
  }
  class PlainRequestScoped {}

  it.each([
    ['PerRequest.conflict', [PerRequest]],
    [
      'DependsOnRequest.pulled',
      [{ provide: PerRequest, useClass: PlainRequestScoped, scope: Scope.REQUEST }, DependsOnRequest],
    ],
    ['Transient.accepted', [Transient]],
  ])('of a provider without one instance is refused by name: %s', async (label, providers) => {
    const start = startApp({ database, host: { providers } });
    await expect(start).rejects.toThrow(new RegExp(`${label} is decorated as the hook on`));
  });
});
