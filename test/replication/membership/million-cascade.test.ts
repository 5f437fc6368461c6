import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startPostgres, type PostgresServer } from '../../../sample-app/postgres/server.js';
import { createTableSql } from '../../support/schema-fixtures.js';
import { startAppProcess, type AppProcess } from '../../support/app-process.js';
import { createDatabase, type TestDatabase } from '../../support/database.js';
import { Device } from '../../support/device.js';
import { testFolder } from '../../support/run.js';
import { eventually, pause } from '../../support/wait.js';

const BOARDS_APP = fileURLToPath(new URL('../../support/boards-app.mjs', import.meta.url));
/** For a million descendants, which take minutes: `CASCADE_LISTS=1000`. */
const LISTS = Number(process.env['CASCADE_LISTS'] ?? 100);
const CARDS_PER_LIST = 1_000;
/** The board itself, its lists, and their cards. */
const RECORDS = 1 + LISTS + LISTS * CARDS_PER_LIST;
const GROWTH_MB = 150;
/** Of the board that is shared, unshared, and deleted. */
const SMALL_LISTS = 50;
const SMALL_RECORDS = 1 + SMALL_LISTS + SMALL_LISTS * CARDS_PER_LIST;
const PAGE = 1_000;
const CASCADE = { timeout: 900_000, interval: 100 };

// A server of its own: what it is busy with, and for how long, is no other test's business.
let server: PostgresServer;
let database: TestDatabase;
let app: AppProcess;
const big = randomUUID();
const small = randomUUID();

beforeAll(async () => {
  server = await startPostgres({ dataDir: await testFolder(), durable: false });
  database = await createDatabase(server.url);
  await database.query(createTableSql('boards', 'user_id text NOT NULL, title text NOT NULL'));
  await database.query(createTableSql('lists', 'board_id uuid NOT NULL, title text NOT NULL'));
  await database.query(createTableSql('cards', 'list_id uuid NOT NULL, title text NOT NULL'));
  await database.query(
    'CREATE TABLE board_shares (board_id uuid, user_id text, PRIMARY KEY (board_id, user_id))',
  );
  await insertBoard(big, 'alice', LISTS);
  await insertBoard(small, 'alice', SMALL_LISTS);
  await insertBoard(randomUUID(), 'carol', 1);
  for (const [child, key, parent] of [
    ['lists', 'board_id', 'boards'],
    ['cards', 'list_id', 'lists'],
  ]) {
    await database.query(`CREATE INDEX ON ${child} (${key})`);
    await database.query(
      `ALTER TABLE ${child} ADD FOREIGN KEY (${key}) REFERENCES ${parent} ON DELETE CASCADE`,
    );
  }
  app = await start();
  // The WAL of the first edges is behind it, or each start would decode that again.
  const seq = await lastSeq();
  await database.query(`UPDATE boards SET updated_at = now() WHERE user_id = 'carol'`);
  await cascaded(seq);
}, 900_000);

afterAll(async () => {
  await app.kill();
  await database.drop();
  server.destroySync();
});

async function insertBoard(id: string, owner: string, lists: number): Promise<void> {
  await database.query(`INSERT INTO boards (id, user_id, title) VALUES ($1, $2, '')`, [id, owner]);
  await database.query(
    `WITH list AS (
       INSERT INTO lists (board_id, title) SELECT $1, 'list ' || n FROM generate_series(1, $2::int) n RETURNING id)
     INSERT INTO cards (list_id, title)
     SELECT list.id, 'card ' || n FROM list CROSS JOIN generate_series(1, ${CARDS_PER_LIST}) n`,
    [id, lists],
  );
}

/** The first edges of a million rows take longer than an app's start waits for them. */
async function start(): Promise<AppProcess> {
  const process = await startAppProcess({ database, main: BOARDS_APP });
  await eventually(() => process.output().includes('consuming slot'), CASCADE);
  return process;
}

/** Memory of a process in MB: what it has in use, or the most that it ever had. */
async function memory(pid: number, which: 'VmRSS' | 'VmHWM'): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  const [, kilobytes] = new RegExp(`^${which}:\\s+(\\d+) kB$`, 'm').exec(status) ?? [];
  if (kilobytes === undefined) throw new Error(`no ${which} in the status of process ${pid}`);
  return Number(kilobytes) / 1024;
}

async function lastSeq(): Promise<number> {
  const [row] = await database.query('SELECT last_seq FROM sync_wal_position');
  return Number(row?.['last_seq']);
}

/** Resolves once a source transaction behind `seq` has been written as a whole. */
async function cascaded(seq: number): Promise<void> {
  await eventually(async () => (await lastSeq()) > seq, CASCADE);
}

/** Resolves once the cascade has written this much more than there was, none of it committed. */
async function underway(size: number): Promise<void> {
  await eventually(async () => (await logSize()) > size, CASCADE);
}

async function logSize(): Promise<number> {
  const [row] = await database.query(`SELECT pg_relation_size('sync_changelog') AS size`);
  return Number(row?.['size']);
}

/** Entries of the log that were passed over or read by its primary key. */
async function readByKey(): Promise<number> {
  const [row] = await database.query(
    `SELECT idx_tup_read FROM pg_stat_user_indexes WHERE indexrelname = 'sync_changelog_pkey'`,
  );
  return Number(row?.['idx_tup_read']);
}

/**
 * What the log says of one board's records behind `seq`: entries and records by bucket and operation. Read past the
 * primary key, as PostgreSQL reports what was read by it up to a second later: it would count as a pull's.
 */
async function entriesBehind(seq: number): Promise<readonly unknown[]> {
  return database.query(
    `SELECT bucket_id AS bucket, operation, count(*)::int AS entries, count(DISTINCT record_id)::int AS records
       FROM sync_changelog WHERE seq + 0 > $1 GROUP BY 1, 2 ORDER BY 1, 2`,
    [seq],
  );
}

/** Does something to the small board, and tells what the log says of it. */
async function done(statement: string): Promise<readonly unknown[]> {
  const seq = await lastSeq();
  await database.query(statement, [small]);
  await cascaded(seq);
  return entriesBehind(seq);
}

/** Live edges by bucket. */
async function edges(): Promise<Readonly<Record<string, number>>> {
  const rows = await database.query<{ bucket_id: string; edges: number }>(
    'SELECT bucket_id, count(*)::int AS edges FROM sync_bucket_edges WHERE live GROUP BY 1',
  );
  return Object.fromEntries(rows.map(({ bucket_id: bucket, edges: count }) => [bucket, count]));
}

/** A device that holds what its user may see now, as after a snapshot, whose million rows it need not carry here. */
async function deviceInStep(userId: string): Promise<Device> {
  const device = new Device(app.url, userId, undefined, { pageSize: PAGE });
  await device.register();
  await database.query(
    'UPDATE sync_clients SET snapshot_completed_at = now() WHERE user_id = $1 AND client_id = $2',
    [userId, device.clientId],
  );
  device.checkpoint = await lastSeq();
  expect(await pageThrough(device)).toEqual({ changed: new Set(), deleted: new Set(), pages: 1 });
  return device;
}

interface PagedThrough {
  readonly changed: ReadonlySet<string>;
  readonly deleted: ReadonlySet<string>;
  readonly pages: number;
}

/** Pulls to the end as the SDKs do, but keeps no more than ids. */
async function pageThrough(device: Device): Promise<PagedThrough> {
  const changed = new Set<string>();
  const deleted = new Set<string>();
  for (let pages = 1; ; pages++) {
    const page = await device.pullPage();
    expect(page.snapshot_reason).toBeUndefined();
    for (const { id } of page.changes) changed.add(id);
    for (const { id } of page.deletes) deleted.add(id);
    if (page.has_more) expect(page.checkpoint).toBeGreaterThan(device.checkpoint);
    device.checkpoint = page.checkpoint;
    if (!page.has_more) return { changed, deleted, pages };
  }
}

/** Lets others work until `until` resolves, and tells how long the slowest of their rounds took, in milliseconds. */
async function meanwhile(
  until: Promise<void>,
  round: () => Promise<void>,
): Promise<{ readonly rounds: number; readonly slowest: number; readonly all: number }> {
  const began = performance.now();
  const done = new AbortController();
  let rounds = 0;
  let slowest = 0;
  const working = (async () => {
    while (!done.signal.aborted) {
      const start = performance.now();
      await round();
      slowest = Math.max(slowest, performance.now() - start);
      rounds += 1;
      await pause(50);
    }
  })();
  await Promise.race([until, working.then(() => until)]);
  done.abort();
  await working;
  return { rounds, slowest, all: performance.now() - began };
}

// Only there can the most that a process ever used be read afterwards.
it.skipIf(!existsSync('/proc/self/status'))(
  `a board with ${RECORDS - 1} descendants moves to its new owner at once, in bounded memory, while others are served`,
  async () => {
    const alice = await deviceInStep('alice');
    const bob = await deviceInStep('bob');
    const carol = new Device(app.url, 'carol');
    await carol.start();
    const carols = carol.rows('cards').size;
    expect(carols).toBe(CARDS_PER_LIST);
    const [first, second] = await database.query<{ id: string; list_id: string }>(
      `SELECT c.id, c.list_id FROM cards c JOIN lists l ON l.id = c.list_id WHERE l.board_id = $1 LIMIT 2`,
      [big],
    );
    if (!first || !second) throw new Error('there are no cards');
    const seq = await lastSeq();
    const before = await edges();
    const size = await logSize();

    await database.query(`UPDATE boards SET user_id = 'bob', updated_at = now() WHERE id = $1`, [big]);
    await underway(size + 10 * 1024 * 1024);
    expect(await lastSeq()).toBe(seq);
    await app.kill();
    expect(await lastSeq()).toBe(seq);
    expect(await edges()).toEqual(before);
    app = await startAppProcess({ database, main: BOARDS_APP });
    for (const device of [alice, bob, carol]) device.url = app.url;
    const started = await memory(app.pid, 'VmRSS');
    await underway((await logSize()) + 1024 * 1024);

    // The row itself has moved already: it is the new owner who writes what hangs on it, and nobody else.
    const update = { id: first.id, table_name: 'cards', operation: 'update' } as const;
    const data = { list_id: first.list_id };
    const refused = await alice.push([{ ...update, data: { ...data, title: 'of alice' } }]);
    expect(refused).toMatchObject({ accepted: [], rejected: [{ status: 'rejected_terminal' }] });
    const created = randomUUID();
    const accepted = await bob.push([
      { ...update, data: { ...data, title: 'of bob' } },
      {
        id: created,
        table_name: 'cards',
        operation: 'create',
        data: { list_id: second.list_id, title: 'new' },
      },
    ]);
    expect(accepted).toMatchObject({ accepted: [{ id: first.id }, { id: created }], rejected: [] });
    expect(await lastSeq()).toBe(seq);

    let hasPushed = false;
    const served = await meanwhile(cascaded(seq), async () => {
      expect(await carol.pullPage()).toMatchObject({ deletes: [] });
      // Not after a push: a snapshot waits for the log to have that.
      if (!hasPushed) expect((await carol.snapshotPage()).records).toHaveLength(100);
      const title = `round ${randomUUID()}`;
      const [id = ''] = carol.rows('cards').keys();
      carol.update('cards', id, { title });
      await carol.pushPending();
      hasPushed = true;
      // Nobody sees half of it.
      const [left, come] = [await alice.pullPage(), await bob.pullPage()];
      const parts = left.deletes.length + come.changes.length;
      if ((await lastSeq()) === seq) expect(parts).toBe(0);
    });
    const growth = (await memory(app.pid, 'VmHWM')) - started;
    console.log(
      `the cascade took ${(served.all / 1000).toFixed(1)} s after the kill; RSS grew by ${growth.toFixed(0)} MB ` +
        `from ${started.toFixed(0)} MB; ${served.rounds} rounds of others, the slowest ${served.slowest.toFixed(0)} ms`,
    );
    expect(growth).toBeLessThan(GROWTH_MB);
    expect(served.slowest).toBeLessThan(served.all / 4);

    // What was pushed meanwhile comes after it.
    await eventually(async () => {
      const [pushed] = await database.query(
        `SELECT count(*)::int AS edges FROM sync_bucket_edges WHERE record_id = $1 AND live`,
        [created],
      );
      return pushed?.['edges'] === 1;
    });
    const [leaves, comes, ...others] = (await entriesBehind(seq)).filter(
      (row) => (row as { bucket: string }).bucket !== 'user:carol',
    );
    expect(leaves).toEqual({ bucket: 'user:alice', operation: 3, entries: RECORDS, records: RECORDS });
    expect(comes).toEqual({ bucket: 'user:bob', operation: 1, entries: RECORDS + 1, records: RECORDS + 1 });
    expect(others).toEqual([{ bucket: 'user:bob', operation: 2, entries: 1, records: 1 }]);
    const after = await edges();
    expect(after).toEqual({
      'user:alice': SMALL_RECORDS,
      'user:bob': RECORDS + 1,
      'user:carol': before['user:carol'],
    });

    const walked = await readByKey();
    const [left, come] = await Promise.all([pageThrough(alice), pageThrough(bob)]);
    console.log(`paged through ${left.pages} and ${come.pages} pages`);
    // Each page looks at its own entries, not at the log.
    expect((await readByKey()) - walked).toBeLessThan(RECORDS);
    expect(left).toMatchObject({ changed: new Set() });
    expect(left.deleted.size).toBe(RECORDS);
    expect(come.deleted.size).toBe(0);
    expect(come.changed.size).toBe(RECORDS + 1);
    for (const id of [big, first.id, first.list_id]) {
      expect(left.deleted).toContain(id);
      expect(come.changed).toContain(id);
    }
    await carol.pull();
    expect(carol.rows('cards').size).toBe(carols);
  },
  1_200_000,
);

it('a board with 50,000 descendants is shared, unshared and deleted, and each device has what it should', async () => {
  const dora = new Device(app.url, 'dora', undefined, { pageSize: PAGE });
  await dora.start();
  const alice = await deviceInStep('alice');
  const counts = { entries: SMALL_RECORDS, records: SMALL_RECORDS };
  expect(await done(`INSERT INTO board_shares VALUES ($1, 'dora')`)).toEqual([
    { bucket: 'user:dora', operation: 1, ...counts },
  ]);
  await dora.pull();
  expect(sizes(dora)).toEqual([1, SMALL_LISTS, SMALL_LISTS * CARDS_PER_LIST]);

  expect(await done('DELETE FROM board_shares WHERE board_id = $1')).toEqual([
    { bucket: 'user:dora', operation: 3, ...counts },
  ]);
  await dora.pull();
  expect(sizes(dora)).toEqual([0, 0, 0]);
  expect(await alice.pullPage()).toMatchObject({ changes: [], deletes: [], has_more: false });

  expect(await done('DELETE FROM boards WHERE id = $1')).toEqual([
    { bucket: 'user:alice', operation: 3, ...counts },
  ]);
  expect((await pageThrough(alice)).deleted.size).toBe(SMALL_RECORDS);
  expect(await edges()).not.toHaveProperty('user:alice');
  expect(await pageThrough(dora)).toMatchObject({ changed: new Set(), deleted: new Set() });
}, 600_000);

function sizes(device: Device): readonly number[] {
  return ['boards', 'lists', 'cards'].map((table) => device.rows(table).size);
}
