import { randomUUID } from 'node:crypto';

import { getDataSourceToken } from '@nestjs/typeorm';
import { Client } from 'pg';
import type { DataSource, EntityManager } from 'typeorm';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { SchemaService } from '../../lib/schema/schema.service.js';
import { SyncEngine } from '../../lib/engine/sync-engine.js';
import { Snapshotter } from '../../lib/engine/snapshot/snapshotter.js';
import { readLogPage } from '../../lib/engine/pull/log-page.js';
import type { PushChange } from '../../lib/engine/push/push-change.js';
import { pipelined } from '../../lib/database/pipeline.js';
import { inTransaction } from '../../lib/database/session.js';
import type { SyncClient } from '../../lib/store/clients/sync-clients.js';
import { startApp, type RunningApp } from '../support/app.js';
import { withClient } from '../support/client.js';
import { consumed } from '../support/consumer.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { Device } from '../support/device.js';
import { change, type PushFixture, pushFixture, sortedIds } from '../support/push-fixture.js';
import { ALICE, DDL, TABLES } from '../support/push-tables.js';
import { LiveStream } from '../support/live-stream.js';
import { insertTask, insertTasks } from '../support/sample-rows.js';
import { eventually } from '../support/wait.js';

/** What is sent meanwhile on the connections of requests: the consumer, which has its own, works when it will. */
async function onConnections<Result>(
  work: () => Promise<Result>,
): Promise<{ readonly result: Result; readonly asked: readonly string[] }> {
  const query = vi.spyOn(Client.prototype, 'query');
  try {
    const result = await work();
    const clients = query.mock.contexts as unknown as readonly {
      readonly connectionParameters: { readonly application_name?: string };
    }[];
    const asked = query.mock.calls.flatMap(([sent], n) =>
      clients[n]?.connectionParameters.application_name === 'nestjs-synchro' ? [] : JSON.stringify(sent),
    );
    return { result, asked: asked.map((text) => text.slice(0, 200)) };
  } finally {
    query.mockRestore();
  }
}

describe('a push', () => {
  it('takes as many statements for five hundred changes as for five [W-PUSH-21]', async () => {
    const push = await pushFixture(TABLES, DDL);
    const statements = async (changes: readonly PushChange[]): Promise<number> =>
      inTransaction(push.dataSource, 'write', async (manager) => {
        const query = vi.spyOn(manager, 'query');
        const results = await push.apply(manager, ALICE, changes);
        expect(new Set(results.map(({ status }) => status))).toEqual(new Set(['applied']));
        return query.mock.calls.length;
      });
    try {
      const costs: number[][] = [];
      for (const count of [5, 500]) {
        const ids = sortedIds(count);
        const each = (operation: string, data: (id: string) => object | null): PushChange[] =>
          ids.map((id) => change(operation, 'tasks', id, data(id)));
        costs.push([
          await statements(each('create', (id) => ({ title: id }))),
          await statements(each('update', (id) => ({ title: `changed ${id}` }))),
          await statements(each('delete', () => null)),
        ]);
      }
      expect(costs[1]).toEqual(costs[0]);
    } finally {
      await push.close();
    }
  });
});

describe('the round trips of a push', () => {
  let push: PushFixture;

  beforeAll(async () => {
    push = await pushFixture(TABLES, DDL);
  });
  afterAll(() => push.close());

  /** Of the push alone: its transaction, and who is asking, are there before. */
  async function roundTrips(changes: readonly PushChange[]): Promise<number> {
    return inTransaction(push.dataSource, 'write', async (manager) => {
      const query = vi.spyOn(Client.prototype, 'query');
      try {
        const results = await push.apply(manager, ALICE, changes);
        expect(new Set(results.map(({ status }) => status))).toEqual(new Set(['applied']));
        return query.mock.calls.length - 1;
      } finally {
        query.mockRestore();
      }
    });
  }

  it('are one to begin and one to write, where all is new', async () => {
    const creates = sortedIds(20).map((id) => change('create', 'tasks', id, { title: randomUUID() }));
    expect(await roundTrips(creates)).toBe(2);
  });

  it('are one to begin, one to lock and read, and one for each table, operation and set of columns', async () => {
    const [edited, gone] = [sortedIds(20), sortedIds(20)];
    await push.push(
      ALICE,
      [...edited, ...gone].map((id) => change('create', 'tasks', id, { title: randomUUID() })),
    );
    const others = [
      ...edited.map((id) => change('update', 'tasks', id, { title: randomUUID() })),
      ...gone.map((id) => change('delete', 'tasks', id)),
      ...sortedIds(20).map((id) => change('create', 'notes', id, { text: 'note' })),
    ];
    expect(await roundTrips(others)).toBe(2 + 3);
  });

  it('are one more for a table whose rows belong to whom their parents belong to', async () => {
    const [task = ''] = sortedIds(1);
    await push.push(ALICE, [change('create', 'tasks', task, { title: randomUUID() })]);
    const comments = sortedIds(20).map((id) =>
      change('create', 'comments', id, { task_id: task, body: 'comment' }),
    );
    expect(await roundTrips(comments)).toBe(4);
  });
});

describe('reading', () => {
  let database: TestDatabase;
  let app: RunningApp;
  let dataSource: DataSource;

  beforeAll(async () => {
    database = await createDatabase();
    app = await startApp({ database, synchro: { logQueries: true } });
    dataSource = app.app.get<DataSource>(getDataSourceToken(), { strict: false });
  });
  afterAll(async () => {
    await app.close();
    await database.drop();
  });

  /** Rows of a table that a piece of work reads, by index or not. */
  async function rowsRead(
    table: string,
    work: (manager: EntityManager) => Promise<unknown>,
  ): Promise<number> {
    return inTransaction(dataSource, 'read', async (manager) => {
      const read = async (): Promise<number> => {
        const [row] = await manager.query<{ n: number }[]>(
          `SELECT (coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0))::int AS n
             FROM pg_stat_xact_user_tables WHERE relname = $1`,
          [table],
        );
        return row?.n ?? 0;
      };
      const before = await read();
      await work(manager);
      return (await read()) - before;
    });
  }

  it('a page of the log of many buckets reads no more of each than the page may hold [W-PULL-15]', async () => {
    const [buckets, entries, limit] = [40, 500, 10];
    const names = Array.from({ length: buckets }, (_, n) => `team:${n}`);
    await database.query(
      `WITH seqs AS (UPDATE sync_wal_position SET last_seq = last_seq + $1 RETURNING last_seq - $1 AS first)
       INSERT INTO sync_changelog (seq, bucket_id, table_name, record_id, operation)
       SELECT first + n, 'team:' || (n % $2), 'tasks', n::text, 1 FROM seqs, generate_series(1, $1::int) AS n`,
      [buckets * entries, buckets],
    );
    await database.query('ANALYZE sync_changelog');
    const [{ id } = { id: '' }] = await database.query<{ id: string }>(
      `INSERT INTO sync_clients (user_id, client_id, bucket_subs) VALUES ('reader', $1, $2) RETURNING id`,
      [randomUUID(), names],
    );
    const client = { id, buckets: names, since: new Map(), leaving: [] } as unknown as SyncClient;
    const read = await rowsRead('sync_changelog', (manager) =>
      readLogPage(manager, client, {
        checkpoint: 0n,
        lastSeq: BigInt(buckets * entries * 2),
        limit,
        buckets: names,
        tables: null,
      }),
    );
    expect(read).toBeGreaterThan(0);
    // And one bucket more, the client's own.
    expect(read).toBeLessThanOrEqual((buckets + 1) * (limit + 1));
  });

  it('a page of a snapshot reads no more edges and rows than it brings, wherever it is [W-SNAP-4]', async () => {
    const limit = 20;
    const tasks = (await insertTasks(database, 'paging', 'task', 20_000)).toSorted();
    await consumed(database);
    await database.query('ANALYZE sync_bucket_edges, tasks');
    const snapshotter = app.app.get(Snapshotter, { strict: false });
    const contract = await app.app.get(SchemaService, { strict: false }).current();
    for (const afterId of ['', tasks[10_000] ?? '', tasks[19_900] ?? '']) {
      const cursor = { checkpoint: 1n, table: 'tasks', afterId };
      const page = async (manager: EntityManager): Promise<void> => {
        const buckets = ['user:paging', 'global'];
        const { statements } = await snapshotter.page(manager, contract, cursor, buckets, limit);
        await pipelined(manager, statements);
      };
      expect(await rowsRead('sync_bucket_edges', page)).toBeLessThanOrEqual(2 * limit);
      expect(await rowsRead('tasks', page)).toBe(limit);
    }
  });

  it('a pull that has nothing new writes nothing, and any other one row [W-PULL-13]', async () => {
    const device = new Device(app.url, `user-${randomUUID()}`);
    await device.start();
    const writes = async (): Promise<string> => {
      const [row] = await database.query<{ version: string }>(
        `SELECT string_agg(xmin::text, ' ' ORDER BY id) AS version FROM sync_clients WHERE user_id = $1`,
        [device.userId],
      );
      return row?.version ?? '';
    };
    await device.pull();
    const before = await writes();
    for (let n = 0; n < 3; n++) await device.pull();
    expect(await writes()).toBe(before);

    await insertTask(database, device.userId, 'new');
    await consumed(database);
    await device.pull();
    const query = vi.spyOn(dataSource.logger, 'logQuery');
    await device.pull();
    const written = query.mock.calls
      .map(([sql]) => sql)
      .filter((sql) => /^\s*(UPDATE|INSERT|DELETE)/i.test(sql));
    query.mockRestore();
    expect(written).toHaveLength(1);
    expect(await writes()).not.toBe(before);
  });

  it('a pull that has something new takes three round trips: begin, log, and rows with commit and its note', async () => {
    const device = new Device(app.url, `user-${randomUUID()}`);
    await device.start();
    await insertTask(database, device.userId, 'new');
    await consumed(database);
    const { result: page, asked } = await onConnections(() => device.pullPage());
    expect(page.changes).toHaveLength(1);
    // Besides the look whether there is anything.
    expect(asked.slice(1), asked.join('\n')).toHaveLength(3);
  });

  it('a page in the middle of a snapshot takes three round trips: begin, keys, and rows with commit', async () => {
    const device = new Device(app.url, `user-${randomUUID()}`);
    await device.register();
    await insertTasks(database, device.userId, 'new', 3);
    await consumed(database);
    const { cursor } = await device.snapshotPage({ limit: 1 });
    const { result, asked } = await onConnections(() => device.snapshotPage({ cursor, limit: 1 }));
    expect(result.records).toHaveLength(1);
    expect(asked, asked.join('\n')).toHaveLength(3);
  });

  it('no probe is made for a device whose last page had more to come', async () => {
    const device = new Device(app.url, `user-${randomUUID()}`);
    await device.start();
    await insertTasks(database, device.userId, 'new', 3);
    await consumed(database);
    const looks: boolean[] = [];
    let { checkpoint } = device;
    for (const hasMore of [true, true, false, false]) {
      const { result: page, asked } = await onConnections(() => device.pullPage({ limit: 1, checkpoint }));
      ({ checkpoint } = page);
      expect(page.has_more).toBe(hasMore);
      looks.push(asked.some((text) => text.includes('WITH log AS')));
    }
    expect(looks).toEqual([true, false, false, true]);
  });

  it('no probe is made for the pull that follows a poke, and one for the next', async () => {
    const device = new Device(app.url, `user-${randomUUID()}`);
    await device.start();
    const stream = await LiveStream.open(device, { since: device.checkpoint });
    try {
      await stream.first('hello');
      await insertTask(database, device.userId, 'new');
      await stream.pokeAt(device.checkpoint + 1);
      const probes: boolean[] = [];
      for (const count of [1, 0]) {
        const { result: pages, asked } = await onConnections(() => device.pull());
        expect(pages.map(({ changes }) => changes.length)).toEqual([count]);
        probes.push(asked.some((text) => text.includes('WITH log AS')));
      }
      expect(probes).toEqual([false, true]);
    } finally {
      stream.close();
    }
  });

  it('pulls that have nothing new and come together share statements, and each gets its own answer', async () => {
    const devices = Array.from({ length: 30 }, () => new Device(app.url, `user-${randomUUID()}`));
    for (const device of devices) await device.start();
    const checkpoints = devices.map(({ checkpoint }) => checkpoint);
    const changed = new Set(devices.filter((_, n) => n % 3 === 1));
    for (const { userId } of changed) await insertTask(database, userId, 'new');
    await consumed(database);
    const query = vi.spyOn(Client.prototype, 'query');
    try {
      // So that all come while the first one is asked about.
      const pages = await withClient(database.url, async (client) => {
        await client.query('BEGIN; LOCK TABLE sync_clients IN ACCESS EXCLUSIVE MODE');
        const asked = vi.spyOn(app.app.get(SyncEngine), 'pull');
        const answers = Promise.all(devices.map((device) => device.pullPage()));
        await eventually(() => expect(asked).toHaveBeenCalledTimes(devices.length));
        await eventually(async () => {
          const waiting = await database.query(
            `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`,
          );
          expect(waiting.length).toBeGreaterThan(0);
        });
        await client.query('COMMIT');
        return answers;
      });
      expect(pages.map(({ changes }) => changes.length)).toEqual(
        devices.map((device) => (changed.has(device) ? 1 : 0)),
      );
      for (const [n, { checkpoint }] of pages.entries())
        expect(checkpoint).toBeGreaterThan(checkpoints[n] ?? Infinity);
      const probes = query.mock.calls.filter(([config]) =>
        JSON.stringify(config)?.includes('has_news'),
      ).length;
      expect(probes).toBeGreaterThan(0);
      expect(probes).toBeLessThan(devices.length / 2);
    } finally {
      query.mockRestore();
    }
  });

  it('a pull that has nothing new takes one statement, any other one transaction and its notes', async () => {
    const device = new Device(app.url, `user-${randomUUID()}`);
    await device.start();
    await device.pull();
    const logQuery = vi.spyOn(dataSource.logger, 'logQuery');
    const statements = async (): Promise<readonly string[]> => {
      logQuery.mockClear();
      await device.pull();
      return logQuery.mock.calls.map(([sql]) => /^\s*\w+/.exec(sql)?.[0] ?? '');
    };
    try {
      expect(await statements()).toEqual(['WITH']);
      for (const _ of [1, 2]) {
        await insertTask(database, device.userId, 'new');
        await consumed(database);
        // Whether there is something; with BEGIN settings and context, log and rows; what was acknowledged before.
        const note = ['BEGIN', 'UPDATE', 'COMMIT'];
        const some = ['WITH', 'BEGIN', 'SELECT', 'SELECT', 'WITH', 'SELECT', 'COMMIT'];
        expect((await statements()).map((word) => word.trim())).toEqual([...some, ...note]);
        expect((await statements()).map((word) => word.trim())).toEqual(['WITH', ...note]);
      }
    } finally {
      logQuery.mockRestore();
    }
  });
});
