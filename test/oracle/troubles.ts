import { randomBytes } from 'node:crypto';
import type { Operation, TroubleKind } from './operation.js';
import { RAISED } from './passing.js';
import { at, type World } from './world.js';
import { raisedForSql, TABLE_NAMES } from './world/tables.js';

type Run = (sql: string, ...values: readonly unknown[]) => Promise<unknown>;
type Work = (world: World, run: Run, operation: Operation) => Promise<unknown>;

/** Settings that somebody else may have made, for whoever connects from now on. */
const SETTINGS = [
  `standard_conforming_strings = off`,
  `transaction_timeout = '1s'`,
  `bytea_output = 'escape'`,
  `DateStyle = 'SQL, DMY'`,
  `default_transaction_isolation = 'serializable'`,
  `search_path = ''`,
] as const;

/** Columns of one table that come and go. */
const MOST_EXTRAS = 5;

/** What other people's schemas, settings and rows do to sync. */
export const TROUBLE_WORK: Readonly<Record<TroubleKind, Work>> = {
  /** Devices drop what they have, as a local column is gone. */
  dropColumn: async (world, run, { a, b }) => {
    await world.watch.whileSchemaChanges(() =>
      run(`ALTER TABLE ${at(TABLE_NAMES, a)} DROP COLUMN IF EXISTS extra_${b % 3}`),
    );
    world.did('dropColumn');
  },
  /** One of those that nobody fills; of many, one goes. */
  renameColumn: async (world, _run, { a }) => {
    const table = at(TABLE_NAMES, a);
    const next = `extra_${world.newId('tasks').slice(0, 8)}`;
    await world.watch.whileSchemaChanges(() =>
      world.withClient(async (client) => {
        await client.query(`BEGIN; LOCK TABLE ${table}`);
        const { rows } = await client.query<{ name: string }>(
          `SELECT attname AS name FROM pg_attribute
            WHERE attrelid = $1::regclass AND attname LIKE 'extra%' ORDER BY attnum`,
          [table],
        );
        const [first] = rows;
        if (!first) await client.query(`ALTER TABLE ${table} ADD COLUMN ${next} text`);
        else if (rows.length < MOST_EXTRAS)
          await client.query(`ALTER TABLE ${table} RENAME COLUMN ${first.name} TO ${next}`);
        else await client.query(`ALTER TABLE ${table} DROP COLUMN ${first.name}`);
        await client.query('COMMIT');
      }),
    );
    world.did('renameColumn');
  },
  oddSettings: async (world, run, { b }) => {
    const setting = at(SETTINGS, b);
    // Before PostgreSQL 17 there is no transaction_timeout.
    const [known] = await world.database.query(`SELECT FROM pg_settings WHERE name ILIKE $1`, [
      setting.split(' ', 1)[0],
    ]);
    if (known) await run(`ALTER DATABASE ${world.database.name} SET ${setting}`);
    world.did('oddSettings');
  },
  /** No index of a bucket takes it. */
  longBucket: async (world, run, { b }) => {
    const team = randomBytes(5_000).toString('base64');
    const columns = `(id, user_id, team, title)`;
    await run(
      `INSERT INTO boards ${columns} VALUES ($1, $2, $3, $4)`,
      world.newId('boards'),
      world.user(b),
      team,
      world.text(),
    );
    world.did('longBucket');
  },
  /** For some rows, whatever SQLSTATE somebody has chosen; nobody may write them then. Now and then it goes again. */
  raisingTrigger: async (world, run, { b, c }) => {
    world.did('raisingTrigger');
    if (c % 3 === 0) {
      await run(`DROP TRIGGER IF EXISTS raise_for_some ON tags`);
      world.watch.recordRaising('tags', false);
      return;
    }
    world.watch.recordRaising('tags', true);
    const state = at(['55000', 'P0001', '40001', '22023', '57014'], b);
    await run(`
      CREATE OR REPLACE FUNCTION raise_for_some() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        IF ${raisedForSql('tags', 'NEW.rank')} THEN RAISE EXCEPTION '${RAISED}' USING ERRCODE = '${state}'; END IF;
        RETURN NEW;
      END $$;
      CREATE OR REPLACE TRIGGER raise_for_some BEFORE INSERT OR UPDATE ON tags
        FOR EACH ROW EXECUTE FUNCTION raise_for_some()`);
  },
  /** A hook of the host's throws for some notes, whoever pushes them. Now and then it goes again. */
  failingHook: async (world, run, { c }) => {
    world.did('failingHook');
    if (c % 3 === 0) {
      await run(`DELETE FROM world_faults WHERE name = 'hook'`);
      world.watch.recordRaising('notes', false);
      return;
    }
    world.watch.recordRaising('notes', true);
    await run(`INSERT INTO world_faults VALUES ('hook') ON CONFLICT DO NOTHING`);
  },
  /** Rows have another label then, and nothing has changed them. */
  renameLabel: async (world, run, { b }) => {
    const labels = await world.database.query<{ label: string }>(
      `SELECT enumlabel AS label FROM pg_enum WHERE enumtypid = 'mood'::regtype ORDER BY enumsortorder`,
    );
    const { label } = at(labels, b);
    const next = label.replace(/\d+$/, (n) => String(Number(n) + 1));
    const rename = (): Promise<unknown> => run(`ALTER TYPE mood RENAME VALUE '${label}' TO '${next}'`);
    // Of the two, it is a column's default.
    await (label.startsWith('calm') ? world.watch.whileSchemaChanges(rename) : rename());
    world.did('renameLabel');
  },
  /** A row and the one that it names come with one commit, the wrong way round. */
  deferredPair: async (world, _run, { b }) => {
    const [board, card] = [world.newId('boards'), world.newId('cards')];
    await world.withClient(async (client) => {
      await client.query('BEGIN; SET CONSTRAINTS ALL DEFERRED');
      const values = `'${card}', '${board}', '${world.text()}'`;
      await client.query(`INSERT INTO cards (id, board_id, title) VALUES (${values})`);
      const above = `'${board}', '${world.user(b)}', '${world.team(b)}', '${world.text()}'`;
      await client.query(`INSERT INTO boards (id, user_id, team, title) VALUES (${above})`);
      await client.query('COMMIT');
    });
    world.did('deferredPair');
  },
};
