import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { written } from './app-faults.js';
import { logPosition } from './host-rows.js';
import { Load } from './load.js';
import { patiently } from './patience.js';
import { measureRecovery } from './recovery.js';
import { Site } from './site.js';
import type { SiteApp } from './site-app.js';
import { compareLog } from '../support/audit.js';
import { consumed, consumerWaits, withPausedConsumer } from '../support/consumer.js';
import { Device } from '../support/device.js';
import { insertTask } from '../support/sample-rows.js';
import { edgesOf, logOf, storedPosition } from '../support/wal-app.js';

const SEED = 20261124;
vi.setConfig({ testTimeout: 300_000 });
/** What a leader tells the walsender: a message's frame and a status. */
const STATUS_BYTES = 5 + 34;

describe('three instances', () => {
  let site: Site;

  beforeAll(async () => {
    site = await Site.start();
  }, 300_000);
  afterAll(async () => {
    await site?.close();
  });

  /** Lets the leader come to a stop in the middle of a transaction of its own, holding the position; returns a row that is in it. */
  async function freezeInTransaction(leader: SiteApp): Promise<string> {
    const { database } = site;
    const task = await withPausedConsumer(database, async () => {
      const id = await insertTask(database, 'alice', 'while nothing could be written');
      await consumerWaits(database);
      leader.freeze();
      return id;
    });
    await patiently(async () => {
      // The last that the server was sent may have been a sign of life.
      const held = await database.query(
        `SELECT FROM pg_stat_activity WHERE application_name = 'nestjs-synchro' AND state = 'idle in transaction'
           AND query ~ 'sync_wal_position|sync_bucket_edges|^SELECT$' AND datname = current_database()`,
      );
      return held.length === 1;
    });
    return task;
  }

  it('go on when the leader is killed', async () => {
    const leader = await site.leader();
    const { starts } = leader;
    const task = await insertTask(site.database, 'alice', 'before');
    // It is started again at once, and would be the next leader itself.
    leader.databaseNetwork.refuse();
    await leader.kill();
    try {
      await site.nextLeader(leader);
    } finally {
      leader.databaseNetwork.pass();
    }
    await written(site);
    expect(await logOf(site.database, 'tasks', task)).toEqual(['create user:alice']);
    await leader.restarted(starts);
    await measureRecovery(site);
  });

  it('go on when the leader is frozen in a transaction; thawed, it writes nothing behind the new one', async () => {
    const leader = await site.leader();
    const before = failures(leader);
    const task = await freezeInTransaction(leader);
    let position: { lastSeq: bigint } | undefined;
    try {
      await site.nextLeader(leader);
      await written(site);
      expect(await logOf(site.database, 'tasks', task)).toEqual(['create user:alice']);
      // Everything before it is in the log: what comes later would be the thawed leader's.
      await consumed(site.database);
      position = await logPosition(site);
    } finally {
      leader.thaw();
    }
    // It has noticed, and stands by again, when it has had its say.
    await patiently(() => failures(leader) > before);
    expect(await logPosition(site)).toEqual(position);
    expect(await logOf(site.database, 'tasks', task)).toEqual(['create user:alice']);
    expect(await site.leader()).not.toBe(leader);
    await measureRecovery(site);
  });

  it.each(['stall', 'refuse'] as const)(
    'go on when the leader is cut off from PostgreSQL (%s)',
    async (way) => {
      const leader = await site.leader();
      leader.databaseNetwork[way]();
      if (way === 'refuse') leader.databaseNetwork.cut();
      const task = await insertTask(site.database, 'alice', 'cut off');
      try {
        await site.nextLeader(leader);
        await written(site);
      } finally {
        leader.databaseNetwork.pass();
      }
      await measureRecovery(site);
      expect(await logOf(site.database, 'tasks', task)).toEqual(['create user:alice']);
      expect((await storedPosition(site.database)).epoch_seq).toBe('0');
    },
  );

  it('keep their leader when its clock jumps', async () => {
    const leader = await site.leader();
    const stream = await site.stream();
    if (!stream) throw new Error('nothing is streamed');
    for (const hours of [48, -48, 0]) {
      await leader.setClock(hours * 3_600_000);
      // With each of these it looks for how long the stream has been silent.
      const { asked } = stream.connection;
      await patiently(() => stream.connection.asked > asked + 3 * STATUS_BYTES);
      await written(site);
    }
    expect((await site.stream())?.port).toBe(stream.port);
  });
});

describe('a rolling deploy of three instances, with devices working meanwhile,', () => {
  let site: Site;
  let load: Load;

  beforeAll(async () => {
    site = await Site.start();
    load = await Load.start(site, SEED);
  }, 300_000);
  afterAll(async () => {
    load?.stop();
    await site?.close();
  });

  it('to a version with one table more and another rule, and back, loses and doubles nothing', async () => {
    const { database } = site;
    const [tag = { id: '' }] = await database.query<{ id: string }>(
      `INSERT INTO tags (id, user_id, name) VALUES (gen_random_uuid(), NULL, 'of everyone') RETURNING id`,
    );
    await written(site);
    expect(await edgesOf(database, 'tags', tag.id)).toEqual(['global']);

    await site.deploy({ VERSION: '2' });
    await measureRecovery(site);
    const [note = { id: '' }] = await database.query<{ id: string }>(
      `INSERT INTO notes (id, user_id, text) VALUES (gen_random_uuid(), 'alice', 'new') RETURNING id`,
    );
    await patiently(async () => {
      expect(await edgesOf(database, 'notes', note.id)).toEqual(['user:alice']);
      expect(await edgesOf(database, 'tags', tag.id)).toEqual([]);
    });
    const device = new Device(site.urls[0] ?? '', 'alice');
    await device.start();
    expect(device.row('notes', note.id)).toMatchObject({ text: 'new' });
    expect(device.row('tags', tag.id)).toBeUndefined();

    await site.deploy();
    await measureRecovery(site);
    await patiently(async () => expect(await edgesOf(database, 'tags', tag.id)).toEqual(['global']));
    await load.rest();
    await load.expectConverged();
    for (const { device: own, restarts } of load.users) {
      expect(own.snapshotReasons).toEqual([]);
      expect(restarts).toBe(2);
    }
    // What the rules of the versions differ in is told as often as they changed.
    const { impossible } = await compareLog(database);
    expect(impossible).toEqual([]);
    expect((await storedPosition(database)).epoch_seq).toBe('0');
  }, 900_000);
});

function failures(app: SiteApp): number {
  return app.output().split('the WAL consumer stopped').length;
}
