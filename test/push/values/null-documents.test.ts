import { randomUUID } from 'node:crypto';
import { Column, Entity } from 'typeorm';
import { SyncTable } from 'nestjs-synchro';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTableSql } from '../../support/schema-fixtures.js';
import type { RunningApp } from '../../support/app.js';
import { createDatabase, type TestDatabase } from '../../support/database.js';
import { Device } from '../../support/device.js';
import { eventually } from '../../support/wait.js';
import { startWalApp, SyncedRow } from '../../support/wal-app.js';
import type { Json, Row, WireRecord } from '../../support/wire.js';

/** Its other columns are known to the database only. */
@Entity('things')
@SyncTable({ ownerColumn: 'user_id' })
class Thing extends SyncedRow {
  @Column('text', { name: 'user_id' })
  userId!: string;
}

@Entity('facts')
@SyncTable({ pushPolicy: 'disabled' })
class Fact extends SyncedRow {}

const DOCUMENTS = {
  metadata: 'jsonb NOT NULL',
  raw: 'json NOT NULL',
  filled: `jsonb NOT NULL DEFAULT '{}'`,
  of_domain: 'document NOT NULL',
  of_strict_domain: 'strict_document',
  computed: 'jsonb NOT NULL DEFAULT to_jsonb(now())',
} as const;

let db: TestDatabase;
let app: RunningApp;

beforeAll(async () => {
  db = await createDatabase();
  await db.query('CREATE DOMAIN document AS jsonb');
  await db.query('CREATE DOMAIN strict_document AS json NOT NULL');
  await db.query('CREATE DOMAIN strict_label AS text NOT NULL');
  const documents = Object.entries(DOCUMENTS).map(([name, type]) => `${name} ${type}`);
  await db.query(
    createTableSql(
      'things',
      [
        'user_id text NOT NULL',
        'note text',
        'loose jsonb',
        `label strict_label DEFAULT 'none'`,
        `list jsonb[] NOT NULL DEFAULT '{}'`,
        ...documents,
      ].join(', '),
    ),
  );
  await db.query(
    createTableSql(
      'facts',
      [
        'note text',
        `twice jsonb GENERATED ALWAYS AS (body -> 'b') STORED`,
        `body jsonb NOT NULL`,
        `copy jsonb NOT NULL GENERATED ALWAYS AS (body -> 'a') STORED`,
      ].join(', '),
    ),
  );
  app = await startWalApp(db, [Thing, Fact]);
});
afterAll(async () => {
  await app.close();
  await db.drop();
});

async function devices(): Promise<readonly [Device, Device]> {
  const user = randomUUID();
  const pair = [new Device(app.url, user), new Device(app.url, user)] as const;
  for (const device of pair) await device.start();
  return pair;
}

/** The record as a pull has it. */
async function pulled(device: Device, table: string, id: string): Promise<WireRecord> {
  const found: WireRecord[] = [];
  await eventually(async () => {
    for (const page of await device.pull()) found.push(...page.changes);
    return found.some((record) => record.id === id && record.table_name === table);
  });
  const record = found.findLast((each) => each.id === id);
  if (!record) throw new Error('it was found');
  return record;
}

/** The columns that the schema calls NOT NULL, and that are null all the same: SQLite refuses the whole page. */
async function refusedBySqlite(device: Device, { table_name: name, data }: WireRecord): Promise<string[]> {
  const { tables } = await device.schema();
  const table = tables.find((each) => each.table_name === name);
  return (table?.columns ?? [])
    .filter((column) => !column.nullable && (data[column.name] ?? null) === null)
    .map((column) => column.name);
}

/** As both SDKs store a record and send it back: documents as text, null as null. */
function sentBack(data: Row): Row {
  return Object.fromEntries(Object.entries(data).map(([name, value]) => [name, asText(value)]));
}

function asText(value: Json): Json {
  return typeof value === 'object' && value !== null ? JSON.stringify(value) : value;
}

async function stored(id: string): Promise<Readonly<Record<string, unknown>>> {
  const columns = Object.keys(DOCUMENTS).map((name) => `${name}::text`);
  const [row] = await db.query(`SELECT ${columns.join(', ')}, list::text FROM things WHERE id = $1`, [id]);
  return row ?? {};
}

const everyDocument = (value: Json): Row =>
  Object.fromEntries(Object.keys(DOCUMENTS).map((name) => [name, value]));

describe('a JSON null in a document that is NOT NULL [W-SDK-1]', () => {
  it('reaches other devices as text: by pull, by snapshot and in the answer to a push', async () => {
    const [phone, tablet] = await devices();
    const id = randomUUID();
    const data = { note: 'a', label: 'x', loose: 'null', list: '[null]', ...everyDocument('null') };
    const { accepted } = await phone.push([{ id, table_name: 'things', operation: 'create', data }]);
    expect(accepted.map(({ status }) => status)).toEqual(['applied']);
    expect(await stored(id)).toEqual({ ...everyDocument('null'), list: '{NULL}' });

    const byPull = await pulled(tablet, 'things', id);
    expect(await refusedBySqlite(tablet, byPull)).toEqual([]);
    expect(byPull.data).toMatchObject({ metadata: 'null', raw: 'null', of_domain: 'null', filled: 'null' });
    const [bySnapshot] = (await tablet.snapshotPage()).records.filter((record) => record.id === id);
    expect(bySnapshot?.data).toEqual(byPull.data);
    const again = { id, table_name: 'things', operation: 'create', data: { ...data, note: 'b' } } as const;
    const { rejected } = await phone.push([{ ...again, client_updated_at: '2000-01-01T00:00:00Z' }]);
    expect(rejected[0]?.server_version?.data).toEqual(byPull.data);
  });

  it('stays one when a device sends the whole row back for an edit beside it', async () => {
    const [phone, tablet] = await devices();
    const id = randomUUID();
    await db.query(
      `INSERT INTO things (id, user_id, metadata, raw, filled, of_domain, of_strict_domain, computed, loose)
       VALUES ($1, $2, 'null', ' null ', '"null"', 'null', 'null', 'null', 'null')`,
      [id, tablet.userId],
    );
    const { data, updated_at: base } = await pulled(tablet, 'things', id);
    const edited = { ...sentBack(data), note: 'edited' };
    const update = { id, table_name: 'things', operation: 'update', data: edited } as const;
    const answer = await tablet.push([{ ...update, base_updated_at: base }]);
    expect(answer.rejected).toEqual([]);
    expect(await stored(id)).toEqual({
      ...everyDocument('null'),
      raw: ' null ',
      filled: '"null"',
      list: '{}',
    });
    expect((await pulled(phone, 'things', id)).data).toMatchObject({ note: 'edited', metadata: 'null' });
  });

  it.each([
    ['a number', '5', '5'],
    ['a boolean', 'true', 'true'],
    ['a document', '{"a": 1}', '{"a": 1}'],
    ['a word', 'word', '"word"'],
  ])('becomes %s by an edit', async (_, sent, expected) => {
    const [phone] = await devices();
    const id = randomUUID();
    const create = { id, table_name: 'things', operation: 'create', data: everyDocument('null') } as const;
    await phone.push([create]);
    await phone.push([{ ...create, operation: 'update', data: everyDocument(sent) }]);
    expect(await stored(id)).toMatchObject(everyDocument(expected));
  });

  it.each([
    ['a number', 5],
    ['a document', '{"a":1}'],
    ['a word', 'word'],
  ])('comes about by an edit of %s', async (_, before) => {
    const [phone] = await devices();
    const id = randomUUID();
    const create = { id, table_name: 'things', operation: 'create', data: everyDocument(before) } as const;
    await phone.push([create]);
    const { accepted } = await phone.push([{ ...create, operation: 'update', data: everyDocument('null') }]);
    expect(accepted).toHaveLength(1);
    // A text stays one where a device keeps documents without their quotes (W-DATA-3).
    expect(await stored(id)).toMatchObject(everyDocument(before === 'word' ? '"null"' : 'null'));
  });

  it('is known again when the answer to its create was lost', async () => {
    const [phone] = await devices();
    for (const value of ['null', null]) {
      const data = { note: 'a', metadata: value, raw: value, of_domain: value, of_strict_domain: value };
      const id = randomUUID();
      const create = { id, table_name: 'things', operation: 'create', data } as const;
      const old = { ...create, client_updated_at: '2000-01-01T00:00:00Z' };
      expect((await phone.push([old])).accepted).toHaveLength(1);
      expect((await phone.push([old])).rejected).toEqual([]);
    }
  });

  it('of a table that devices only read, computed or not, is text, too', async () => {
    const [phone] = await devices();
    const id = randomUUID();
    await db.query(`INSERT INTO facts (id, body) VALUES ($1, '{"a": null, "b": null}')`, [id]);
    const record = await pulled(phone, 'facts', id);
    expect(await refusedBySqlite(phone, record)).toEqual([]);
    expect(record.data).toMatchObject({ copy: 'null', twice: null });
  });
});

describe('a column whose NOT NULL is not validated yet [W-SDK-1]', () => {
  it('may be null on devices, too', async ({ skip }) => {
    const [server] = await db.query<{ version: number }>(
      `SELECT current_setting('server_version_num')::int / 10000 AS version`,
    );
    skip((server?.version ?? 0) < 18, 'NOT NULL … NOT VALID is new in PostgreSQL 18');
    const [phone] = await devices();
    const id = randomUUID();
    await db.query('ALTER TABLE facts ADD COLUMN late text');
    await db.query(`INSERT INTO facts (id, body) VALUES ($1, '{"a": 1}')`, [id]);
    await db.query('ALTER TABLE facts ADD CONSTRAINT late_is_there NOT NULL late NOT VALID');
    await phone.schema();
    const record = await pulled(phone, 'facts', id);
    expect(record.data['late']).toBeNull();
    expect(await refusedBySqlite(phone, record)).toEqual([]);
    await db.query('ALTER TABLE facts DROP COLUMN late');
  });
});

describe('a value of a domain that refuses null [W-SDK-2]', () => {
  it('is left alone by an edit beside it', async () => {
    const [phone, tablet] = await devices();
    const id = randomUUID();
    const data = { note: 'a', label: 'kept', ...everyDocument({ a: 1 }) };
    expect((await phone.push([{ id, table_name: 'things', operation: 'create', data }])).rejected).toEqual(
      [],
    );
    const { data: held } = await pulled(tablet, 'things', id);
    const edited = { ...sentBack(held), note: 'edited' };
    const answer = await tablet.push([{ id, table_name: 'things', operation: 'update', data: edited }]);
    expect(answer.rejected).toEqual([]);
    const [row] = await db.query('SELECT note, label FROM things WHERE id = $1', [id]);
    expect(row).toEqual({ note: 'edited', label: 'kept' });
  });
});
