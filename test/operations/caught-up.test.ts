import { randomUUID } from 'node:crypto';
import { SyncEngine, SynchroError, SyncTable } from 'nestjs-synchro';
import { Column, Entity } from 'typeorm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTableSql } from '../support/schema-fixtures.js';
import type { RunningApp } from '../support/app.js';
import { withPausedConsumer } from '../support/consumer.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { Device } from '../support/device.js';
import { pause } from '../support/wait.js';
import { edgesOf, startWalApp, SyncedRow } from '../support/wal-app.js';

@Entity('docs')
@SyncTable({ ownerColumn: 'user_id' })
class Doc extends SyncedRow {
  @Column('text', { name: 'user_id' })
  userId!: string;
}

describe('caughtUp', () => {
  let database: TestDatabase;
  let consuming: RunningApp;
  let apiOnly: RunningApp;

  beforeAll(async () => {
    database = await createDatabase();
    await database.query(createTableSql('docs', 'user_id text NOT NULL'));
    await database.query('CREATE TABLE elsewhere (text text)');
    consuming = await startWalApp(database, [Doc]);
    apiOnly = await startWalApp(database, [Doc], { replication: false });
  });

  afterAll(async () => {
    await apiOnly.close();
    await consuming.close();
    await database.drop();
  });

  async function insertDoc(user = 'alice'): Promise<string> {
    const id = randomUUID();
    await database.query('INSERT INTO docs (id, user_id) VALUES ($1, $2)', [id, user]);
    return id;
  }

  const engines = (): readonly (readonly [string, SyncEngine])[] => [
    ['the instance that consumes', consuming.app.get(SyncEngine)],
    ['one that does not', apiOnly.app.get(SyncEngine)],
  ];

  it('resolves when what was committed before is in the changelog, on every instance', async () => {
    for (const [instance, engine] of engines()) {
      for (let round = 0; round < 10; round++) {
        const doc = await insertDoc();
        await engine.caughtUp();
        expect(await edgesOf(database, 'docs', doc), instance).toEqual(['user:alice']);
      }
    }
  });

  it('resolves at once when the end of the WAL has nothing of ours, and when nothing happens at all', async () => {
    for (const [instance, engine] of engines()) {
      await database.query(`INSERT INTO elsewhere VALUES ('x')`);
      const times: number[] = [];
      for (let round = 0; round < 5; round++) {
        const begun = performance.now();
        await engine.caughtUp({ timeout: 60_000 });
        times.push(performance.now() - begun);
      }
      // The one in the middle: a busy machine may keep any of them waiting.
      expect(times.toSorted((a, b) => a - b)[2], instance).toBeLessThan(2_000);
    }
  });

  it('resolves for many callers at once while others write', async () => {
    const writing = Promise.all(Array.from({ length: 20 }, () => insertDoc()));
    const waiting = Array.from({ length: 10 }, () =>
      apiOnly.app.get(SyncEngine).caughtUp({ timeout: 10_000 }),
    );
    await Promise.all([writing, ...waiting]);
  });

  it('waits for commits that were not flushed yet', async () => {
    const id = randomUUID();
    await database.query(
      `BEGIN; SET LOCAL synchronous_commit = off; INSERT INTO docs (id, user_id) VALUES ('${id}', 'alice'); COMMIT`,
    );
    await apiOnly.app.get(SyncEngine).caughtUp();
    expect(await edgesOf(database, 'docs', id)).toEqual(['user:alice']);
  });

  it('does not resolve before', async () => {
    let resolved = false;
    const waiting = await withPausedConsumer(database, async () => {
      await insertDoc();
      const caughtUp = apiOnly.app
        .get(SyncEngine)
        .caughtUp()
        .then(() => (resolved = true));
      await pause(300);
      expect(resolved).toBe(false);
      return { caughtUp };
    });
    await waiting.caughtUp;
  });

  it('waits for subscription changes that pulls have left', async () => {
    const device = new Device(apiOnly.url, 'bob');
    await device.start();
    await database.query(
      `INSERT INTO sync_subscription_changes (client, bucket_id)
       SELECT id, 'user:alice' FROM sync_clients WHERE user_id = 'bob'`,
    );
    await apiOnly.app.get(SyncEngine).caughtUp();
    expect(await database.query('SELECT FROM sync_subscription_changes')).toEqual([]);
  });

  it('rejects with what is missing once the time is over', async () => {
    await withPausedConsumer(database, async () => {
      await insertDoc();
      const error: unknown = await apiOnly.app
        .get(SyncEngine)
        .caughtUp({ timeout: 200 })
        .catch((reason: unknown) => reason);
      expect(error).toBeInstanceOf(SynchroError);
      expect(error).toMatchObject({ code: 'not_caught_up' });
      expect(String(error)).toMatch(
        /after 200 ms: an instance consumes; it is at [0-9A-F]+\/[0-9A-F]+, [0-9A-F]+\/[0-9A-F]+ was asked for; 0 tasks/,
      );
    });
    await apiOnly.app.get(SyncEngine).caughtUp();
  });
});

describe('caughtUp without a consumer', () => {
  it('says that there is none', async () => {
    const database = await createDatabase();
    await database.query(createTableSql('docs', 'user_id text NOT NULL'));
    const app = await startWalApp(database, [Doc], { replication: false });
    const engine = app.app.get(SyncEngine);
    await expect(engine.caughtUp({ timeout: 100 })).rejects.toThrow(/the WAL consumer has not run yet/);
    await app.close();
    const consuming = await startWalApp(database, [Doc]);
    await consuming.close();
    const later = await startWalApp(database, [Doc], { replication: false });
    await database.query('INSERT INTO docs (id, user_id) VALUES ($1, $2)', [randomUUID(), 'alice']);
    await expect(later.app.get(SyncEngine).caughtUp({ timeout: 100 })).rejects.toThrow(
      /no instance consumes/,
    );
    await later.close();
    await database.drop();
  });
});
