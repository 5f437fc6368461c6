import { randomUUID } from 'node:crypto';
import { SyncTable } from 'nestjs-synchro';
import { Column, Entity } from 'typeorm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { RunningApp } from '../../support/app.js';
import { createDatabase, type TestDatabase } from '../../support/database.js';
import { applied, edgesOf, logOf, startWalApp, SyncedRow } from '../../support/wal-app.js';

@Entity('events')
@SyncTable({ ownerColumn: 'user_id' })
class Event extends SyncedRow {
  @Column('text', { name: 'user_id' })
  userId!: string;
}

const LOW = '00000000-0000-4000-8000-';
const HIGH = 'f0000000-0000-4000-8000-';

function idIn(half: string): string {
  return half + randomUUID().slice(24);
}

function insert(id: string): string {
  return `INSERT INTO events (id, user_id) VALUES ('${id}', 'alice')`;
}

describe('a partitioned table', () => {
  let database: TestDatabase;
  let app: RunningApp;

  beforeAll(async () => {
    database = await createDatabase();
    await database.query(
      `CREATE TABLE events (id uuid PRIMARY KEY, user_id text NOT NULL,
         updated_at timestamptz NOT NULL DEFAULT now(), deleted_at timestamptz) PARTITION BY RANGE (id)`,
    );
    const middle = '80000000-0000-0000-0000-000000000000';
    await database.query(
      `CREATE TABLE events_low PARTITION OF events FOR VALUES FROM (MINVALUE) TO ('${middle}')`,
    );
    await database.query(
      `CREATE TABLE events_high PARTITION OF events FOR VALUES FROM ('${middle}') TO (MAXVALUE)`,
    );
    app = await startWalApp(database, [Event]);
  });

  afterAll(async () => {
    await app.close();
    await database.drop();
  });

  async function commit(sql: string): Promise<void> {
    await database.query(sql);
    await applied(database);
  }

  it('is followed under its own name, in every partition [W-WAL-14]', async () => {
    for (const id of [idIn(LOW), idIn(HIGH)]) {
      await commit(insert(id));
      expect(await edgesOf(database, 'events', id)).toEqual(['user:alice']);
      await commit(`UPDATE events SET user_id = 'bob' WHERE id = '${id}'`);
      await commit(`DELETE FROM events WHERE id = '${id}'`);
      expect(await logOf(database, 'events', id)).toEqual([
        'create user:alice',
        'delete user:alice',
        'create user:bob',
        'delete user:bob',
      ]);
    }
  });

  it('is followed when a row moves to another partition [W-WAL-14]', async () => {
    const [low, high] = [idIn(LOW), idIn(HIGH)];
    await commit(insert(low));
    await commit(`UPDATE events SET id = '${high}' WHERE id = '${low}'`);
    expect(await edgesOf(database, 'events', low)).toEqual([]);
    expect(await logOf(database, 'events', low)).toEqual(['create user:alice', 'delete user:alice']);
    expect(await edgesOf(database, 'events', high)).toEqual(['user:alice']);
  });

  it('is followed in partitions that are added later, and when it is truncated [W-WAL-14]', async () => {
    const id = idIn(LOW);
    await commit(
      `ALTER TABLE events DETACH PARTITION events_low;
       ALTER TABLE events_low RENAME TO events_former;
       CREATE TABLE events_new PARTITION OF events
         FOR VALUES FROM (MINVALUE) TO ('80000000-0000-0000-0000-000000000000')`,
    );
    await commit(insert(id));
    expect(await edgesOf(database, 'events', id)).toEqual(['user:alice']);
    await commit('TRUNCATE events');
    expect(await edgesOf(database, 'events', id)).toEqual([]);
    expect(await logOf(database, 'events', id)).toEqual(['create user:alice', 'delete user:alice']);
  });
});
