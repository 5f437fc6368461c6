import { SyncTable } from 'nestjs-synchro';
import { Column, Entity } from 'typeorm';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createTableSql } from '../../support/schema-fixtures.js';
import { withClient } from '../../support/client.js';
import { createDatabase, type TestDatabase } from '../../support/database.js';
import { eventually } from '../../support/wait.js';
import { applied, startWalApp, SyncedRow, type WalAppOptions } from '../../support/wal-app.js';

@Entity('tasks')
@SyncTable({ ownerColumn: 'user_id' })
class Task extends SyncedRow {
  @Column('text', { name: 'user_id' })
  userId!: string;
}

let database: TestDatabase;
let other: TestDatabase;

beforeEach(async () => {
  [database, other] = await Promise.all([createDatabase(), createDatabase()]);
  await database.query(createTableSql('tasks', 'user_id text NOT NULL'));
});

afterEach(() => Promise.all([database.drop(), other.drop()]));

/** Why an app does not start; an Error that says so when it does. */
async function whyNotStarted(replication: WalAppOptions['replication']): Promise<Error> {
  return startWalApp(database, [Task], { replication }).then(
    async (app) => app.close().then(() => new Error('it started')),
    (error: Error) => error,
  );
}

describe('a start is refused', () => {
  it.each(['my-app', 'MyApp', 'täglich', 'a b', '', 'x'.repeat(64)])(
    'with the slot name "%s", which no slot can have [W-HOST-15]',
    async (slotName) => {
      const failed = await whyNotStarted({ slotName });
      expect(failed).toMatchObject({ code: 'configuration_invalid' });
      expect(failed.message).toContain(
        `replication.slotName: a replication slot can't be called "${slotName}"`,
      );
      expect(failed.message).toContain('lower-case letters (a to z), digits and underscores');
    },
  );

  it.each(['', 'ä'.repeat(32)])(
    'with a publication name that no publication can have [W-HOST-15]',
    async (publicationName) => {
      const failed = await whyNotStarted({ publicationName });
      expect(failed).toMatchObject({ code: 'configuration_invalid' });
      expect(failed.message).toContain('replication.publicationName');
    },
  );

  it('while the slot belongs to another database of the server, which it names [W-HOST-16]', async () => {
    await other.query(`SELECT pg_create_logical_replication_slot($1, 'pgoutput')`, [database.slotName]);
    const failed = await whyNotStarted({});
    expect(failed).toMatchObject({ code: 'slot_taken' });
    expect(failed.message).toContain(`belongs to database ${other.name}`);
    expect(failed.message).toContain('replication.slotName');
  });

  it('while the slot is physical, or decodes with another plugin [W-HOST-16]', async () => {
    await database.query('SELECT pg_create_physical_replication_slot($1)', [database.slotName]);
    expect(await whyNotStarted({})).toMatchObject({
      code: 'slot_taken',
      message: expect.stringContaining('is a physical slot'),
    });
    await database.query('SELECT pg_drop_replication_slot($1)', [database.slotName]);
    await database
      .query(`SELECT pg_create_logical_replication_slot($1, 'test_decoding')`, [database.slotName])
      .then(
        async () =>
          expect(await whyNotStarted({})).toMatchObject({
            code: 'slot_taken',
            message: expect.stringContaining('plugin test_decoding'),
          }),
        // Not every build has the plugin.
        (error: Error) => expect(error.message).toContain('test_decoding'),
      );
  });

  it('while the slot is temporary [W-HOST-16]', async () => {
    await withClient(database.url, async (client) => {
      await client.query(`SELECT pg_create_logical_replication_slot($1, 'pgoutput', true)`, [
        database.slotName,
      ]);
      expect(await whyNotStarted({})).toMatchObject({
        code: 'slot_taken',
        message: expect.stringContaining('is temporary'),
      });
    });
  });
});

it.each(['my-app', 'Täglich "1"', `it's`, String.raw`back\slash`, 'x'.repeat(63)])(
  'a publication may be called %s [W-HOST-15]',
  async (publicationName) => {
    const app = await startWalApp(database, [Task], { replication: { publicationName } });
    await applied(database);
    expect(await database.query('SELECT pubname FROM pg_publication')).toEqual([
      { pubname: publicationName },
    ]);
    await app.close();
  },
);

describe('a first start waits for the transactions that are open', () => {
  it('and names the one that it waits for, in another database, too [W-HOST-17]', async () => {
    const lines: string[] = [];
    const note = (line: unknown): void => void lines.push(JSON.stringify(line));
    const logger = { log: () => undefined, warn: note, error: note, debug: () => undefined };
    const url = new URL(other.url);
    url.searchParams.set('application_name', 'nightly report');
    await withClient(url.href, async (client) => {
      await client.query('BEGIN');
      const [row] = (await client.query('SELECT pg_current_xact_id(), pg_backend_pid() AS pid, user AS role'))
        .rows;
      const { pid, role } = row as { pid: number; role: string };
      const starting = startWalApp(database, [Task], { logger });
      await eventually(() => Promise.resolve(lines.some((line) => line.includes('has to wait'))), {
        timeout: 20_000,
      });
      const line = lines.find((one) => one.includes('has to wait')) ?? '';
      expect(line).toContain(`the transaction of process ${pid} (user ${role}, database ${other.name}`);
      expect(line).toMatch(/nightly report.*open for 00:00:\d\d, its last query began at/);
      expect(line).toContain(`SELECT pg_terminate_backend(${pid});`);
      await client.query('COMMIT');
      const app = await starting;
      await applied(database);
      await app.close();
    });
  });
});
