import { spawn } from 'node:child_process';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { synchroRlsSql, type RlsOptions } from '../../lib/index.js';
import type { SynchroProblem } from '../../lib/common/errors.js';
import { run } from '../../lib/cli/run.js';
import { type DoctorOptions, examine } from '../../lib/operations/doctor/doctor.js';
import { startPostgres, type PostgresServer } from '../../sample-app/postgres/server.js';
import { withClient } from '../support/client.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { makeDataSource } from '../support/doctor-data-source.mjs';
import { makeHealthy } from '../support/doctor-tables.js';
import { startAgain } from '../support/own-server.js';
import { createRole, type TestRole } from '../support/roles.js';
import { testFolder } from '../support/run.js';
import { eventually } from '../support/wait.js';

const MAIN = fileURLToPath(new URL('../../dist/lib/cli/main.js', import.meta.url));
const DATA_SOURCE = fileURLToPath(new URL('../support/doctor-data-source.mjs', import.meta.url));

interface Ended {
  readonly status: number | null;
  readonly out: string;
  readonly err: string;
}

/** Runs the built command line, as `npx nestjs-synchro` does. */
async function cli(url: string, ...args: readonly string[]): Promise<Ended> {
  const child = spawn(process.execPath, [MAIN, ...args], {
    env: { ...process.env, DOCTOR_DATABASE_URL: url },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
  const [out, err] = await Promise.all([text(child.stdout), text(child.stderr)]);
  return { status: await ended, out, err };
}

/** The same without the price of a process, for what needs no database. */
async function cliHere(...args: readonly string[]): Promise<Ended> {
  let [out, err] = ['', ''];
  const status = await run(args, {
    out: (line) => (out += `${line}\n`),
    err: (line) => (err += `${line}\n`),
  });
  return { status, out, err };
}

/** What the doctor finds, without the price of a process. */
async function doctor(
  database: TestDatabase,
  options: DoctorOptions & { readonly url?: string } = {},
): Promise<readonly SynchroProblem[]> {
  const { slotName, publicationName } = database;
  const dataSource = await makeDataSource(options.url ?? database.url).initialize();
  try {
    return await examine(dataSource, { slotName, publicationName, ...options });
  } finally {
    await dataSource.destroy();
  }
}

function codes(problems: readonly SynchroProblem[]): readonly string[] {
  return problems.map(({ code }) => code);
}

/** The SQL of a fix: all of it where it is nothing else, else its first statement. */
function sqlOf(fix: string): string {
  if (/^(CREATE|ALTER|GRANT)\b.*;$/s.test(fix)) return fix;
  const [statement] = /(?:CREATE|ALTER|GRANT|DROP|SELECT pg_)[^;(]*(?:\([^)]*\))?[^;]*/.exec(fix) ?? [];
  if (statement === undefined) throw new Error(`no SQL in: ${fix}`);
  return statement.replace(/ \(after .*$/, '');
}

async function makePolicies(database: TestDatabase, options: RlsOptions = {}): Promise<void> {
  const dataSource = await makeDataSource(database.url).initialize();
  for (const statement of await synchroRlsSql(dataSource, options)) await database.query(statement);
  await dataSource.destroy();
}

async function expectFixed(...args: Parameters<typeof doctor>): Promise<void> {
  expect(await doctor(...args)).toEqual([]);
}

describe('doctor', () => {
  let database: TestDatabase;

  beforeEach(async () => {
    database = await createDatabase();
    await makeHealthy(database);
  });
  afterEach(() => database.drop());

  it('finds nothing wrong where nothing is', async () => {
    await expectFixed(database);
    const { status, out } = await cli(database.url, 'doctor', '-d', DATA_SOURCE, '--slot', database.slotName);
    expect([status, out]).toEqual([0, 'nothing is wrong\n']);
    const names = ['--slot', database.slotName, '--publication', database.publicationName];
    const json = await cli(database.url, 'doctor', '-d', DATA_SOURCE, ...names, '--json');
    expect([json.status, JSON.parse(json.out)]).toEqual([0, { ok: true, problems: [] }]);
  });

  it.each([
    [
      'a table without a primary key',
      'primary_key_missing',
      ['ALTER TABLE comments DROP CONSTRAINT comments_pkey'],
    ],
    [
      'an update time that may be null',
      'schema_unsupported',
      ['ALTER TABLE tasks ALTER COLUMN updated_at DROP NOT NULL'],
    ],
    [
      'deleted shares that would not name their task',
      'replica_identity_missing',
      [
        'ALTER TABLE shares DROP CONSTRAINT shares_pkey, ADD PRIMARY KEY (user_id)',
        'CREATE INDEX ON shares (task_id)',
      ],
    ],
    ['a foreign key without an index', 'index_missing', ['DROP INDEX comments_task_id']],
    [
      'a foreign key whose only index is partial',
      'index_missing',
      ['DROP INDEX comments_task_id', 'CREATE INDEX ON comments (task_id) WHERE deleted_at IS NULL'],
    ],
    ['an update time that nothing moves', 'updated_at_stale', ['DROP TRIGGER touch_tasks ON tasks']],
    [
      'an update time whose trigger is disabled',
      'updated_at_stale',
      ['ALTER TABLE tasks DISABLE TRIGGER touch_tasks'],
    ],
  ])('finds %s, and knows its fix', async (_, code, damage) => {
    for (const statement of damage) await database.query(statement);
    const problems = await doctor(database);
    expect(codes(problems)).toEqual([code]);
    await database.query(sqlOf(problems[0]?.fix ?? ''));
    await expectFixed(database);
  });

  it.each([
    ['a publication of all tables', (name: string) => `CREATE PUBLICATION ${name} FOR ALL TABLES`],
    [
      'a publication that lacks a table',
      (name: string) => `CREATE PUBLICATION ${name} FOR TABLE tasks, shares`,
    ],
  ])('finds %s, and knows its fix', async (_, damage) => {
    await database.query(damage(database.publicationName));
    const problems = await doctor(database);
    expect(codes(problems)).toEqual(['publication_invalid']);
    await database.query(sqlOf(problems[0]?.fix ?? ''));
    await expectFixed(database);
  });

  it('finds that the sync tables are missing; its own migrations fix that', async () => {
    const tables = await database.query<{ name: string }>(
      `SELECT tablename AS name FROM pg_tables WHERE starts_with(tablename::text, 'sync_')`,
    );
    await database.query(`DROP TABLE ${tables.map(({ name }) => name).join(', ')}`);
    const problems = await doctor(database);
    expect(codes(problems)).toEqual(['configuration_invalid']);
    expect(problems[0]?.fix).toContain('synchroMigrations');
    await database.query((await cli(database.url, 'migrations')).out);
    await expectFixed(database);
  });

  it('finds a time zone trap, and knows its fix', async () => {
    await database.query(`ALTER DATABASE ${database.name} SET TimeZone = 'Europe/Berlin'`);
    const problems = await doctor(database);
    expect(codes(problems)).toEqual(['time_zone_trap']);
    expect(problems[0]?.message).toContain('Europe/Berlin');
    await database.query(sqlOf(problems[0]?.fix ?? ''));
    await expectFixed(database);
  });

  it('finds a slot that is not for decoding, and knows its fix', async () => {
    await database.query('SELECT pg_create_physical_replication_slot($1)', [database.slotName]);
    const problems = await doctor(database);
    expect(codes(problems)).toEqual(['slot_taken']);
    await database.query(sqlOf(problems[0]?.fix ?? ''));
    await expectFixed(database);
  });

  it('finds a slot that nobody reads and that keeps too much WAL, and knows its fix', async () => {
    await database.query(`SELECT pg_create_logical_replication_slot($1, 'pgoutput')`, [database.slotName]);
    await database.query(`SELECT pg_logical_emit_message(false, 'test', repeat('x', 100000))`);
    await expectFixed(database);
    const problems = await doctor(database, { maxRetainedWal: 50_000 });
    expect(codes(problems)).toEqual(['slot_unhealthy']);
    await database.query(sqlOf(problems[0]?.fix ?? ''));
    await expectFixed(database, { maxRetainedWal: 50_000 });
  });

  it('finds that the database can not be reached', async () => {
    const gone = new URL(database.url);
    gone.port = '1';
    const { status, out } = await cli(gone.href, 'doctor', '-d', DATA_SOURCE, '--json');
    expect(status).toBe(1);
    expect(JSON.parse(out)).toMatchObject({ ok: false, problems: [{ code: 'database_unreachable' }] });
  });

  it('says it in words, advises, and leaves out what is to be ignored [W-SDK-7]', async () => {
    await database.query('DROP INDEX comments_task_id');
    await database.query('DROP TRIGGER touch_tasks ON tasks');
    const common = ['doctor', '-d', DATA_SOURCE, '--slot', database.slotName];
    const { status, out } = await cli(database.url, ...common, '--ignore', 'updated_at_stale');
    expect(status).toBe(1);
    expect(out).toContain('one thing is wrong');
    expect(out).toMatch(
      /Comment: parentFkColumn: no index of .*comments.*\n {2}CREATE INDEX .*\[index_missing\]/,
    );
    await database.query('CREATE INDEX comments_task_id ON comments (task_id)');
    const advice = await cli(database.url, ...common);
    expect(advice.status).toBe(0);
    expect(advice.out).toMatch(
      /^nothing is wrong\n\none thing to consider:\n\nTask: updatedAtColumn: .*\[updated_at_stale\]/s,
    );
    const json = JSON.parse((await cli(database.url, ...common, '--json')).out);
    expect(json).toMatchObject({ ok: true, problems: [{ code: 'updated_at_stale', isAdvice: true }] });
    const both = ['--ignore', 'updated_at_stale', '--ignore', 'index_missing'];
    expect((await cli(database.url, ...common, ...both)).status).toBe(0);
  });
});

describe('doctor, of a role', () => {
  let database: TestDatabase;
  let role: TestRole;

  beforeEach(async () => {
    database = await createDatabase();
    await makeHealthy(database);
    role = await createRole(database);
    await role.grantSyncTables();
    await database.query(`GRANT SELECT, INSERT, UPDATE ON tasks, comments, shares TO ${role.name}`);
  });
  afterEach(async () => {
    await database.drop();
    await role.drop();
  });

  it('finds that it may not write, and knows its fix', async () => {
    await database.query(`REVOKE UPDATE ON tasks FROM ${role.name}`);
    const consumer = { url: role.url, replication: { connectionString: database.url } };
    const problems = await doctor(database, consumer);
    expect(codes(problems)).toEqual(['permission_missing']);
    await database.query(sqlOf(problems[0]?.fix ?? ''));
    await expectFixed(database, consumer);
  });

  it('finds that it may neither replicate nor make the publication, and knows both fixes', async () => {
    const consumer = { replication: { connectionString: role.url } };
    const problems = await doctor(database, consumer);
    expect(codes(problems)).toEqual(['permission_missing', 'publication_invalid']);
    for (const { fix } of problems) await database.query(sqlOf(fix));
    await expectFixed(database, consumer);
  });

  it.each([
    ['bypasses row-level security', (name: string) => `ALTER ROLE ${name} BYPASSRLS`],
    ['owns the table', (name: string) => `ALTER TABLE tasks OWNER TO ${name}`],
  ])('finds that policies do not bind it, as it %s, and knows the fix', async (_, damage) => {
    await makePolicies(database, { role: role.name });
    const push = { pushRole: role.name };
    await expectFixed(database, push);
    await database.query(damage(role.name));
    const problems = await doctor(database, push);
    expect(new Set(codes(problems))).toEqual(new Set(['rls_bypassed']));
    await database.query(sqlOf(problems[0]?.fix ?? ''));
    await expectFixed(database, push);
  });

  it('finds that policies do not bind a superuser', async () => {
    await makePolicies(database);
    const problems = await doctor(database);
    expect(codes(problems)).toEqual(['rls_bypassed', 'rls_bypassed']);
    expect(problems[0]?.fix).toContain('pushRole');
    await expectFixed(database, { pushRole: role.name });
  });
});

describe('doctor, of a server', () => {
  let server: PostgresServer;
  let database: TestDatabase;

  beforeAll(async () => {
    const settings = { max_slot_wal_keep_size: '1MB', min_wal_size: '32MB', max_wal_size: '32MB' };
    server = await startPostgres({
      dataDir: await testFolder(),
      durable: false,
      settings,
    });
    await restarted(`ALTER SYSTEM SET max_replication_slots = 1`);
    database = await createDatabase(server.url);
    await makeHealthy(database);
  });
  afterAll(() => server.destroySync());

  /** Changes a setting, as an operator would, and restarts the server. */
  async function restarted(statement: string): Promise<void> {
    await withClient(server.url, (client) => client.query(statement));
    await startAgain(server, ['wal_level', 'max_replication_slots']);
    await eventually(() => withClient(server.url, (client) => client.query('SELECT')));
  }

  it('finds that wal_level is not logical, and knows its fix', async () => {
    await restarted(`ALTER SYSTEM SET wal_level = 'replica'`);
    const problems = await doctor(database);
    expect(codes(problems)).toEqual(['wal_level_not_logical']);
    await restarted(sqlOf(problems[0]?.fix ?? ''));
    await expectFixed(database);
  });

  it('finds that there is no room for the slot, and knows its fix', async () => {
    await database.query(`SELECT pg_create_physical_replication_slot('another')`);
    const problems = await doctor(database);
    expect(codes(problems)).toEqual(['slot_unhealthy']);
    await restarted(sqlOf(problems[0]?.fix ?? ''));
    await expectFixed(database);
  });

  it('finds that the WAL of the slot was removed, and knows its fix', async () => {
    await database.query(`SELECT pg_create_logical_replication_slot($1, 'pgoutput')`, [database.slotName]);
    await eventually(async () => {
      await database.query('SELECT pg_switch_wal()');
      await database.query('CHECKPOINT');
      const problems = await doctor(database);
      expect(codes(problems)).toEqual(['slot_unhealthy']);
    });
    const problems = await doctor(database);
    await database.query(sqlOf(problems[0]?.fix ?? ''));
    await expectFixed(database);
  });
});

describe('the command line', () => {
  it('prints what makes the sync tables, and the policies', async () => {
    const database = await createDatabase();
    await makeHealthy(database);
    const policies = await cli(database.url, 'rls', '--data-source', DATA_SOURCE);
    expect(policies.status).toBe(0);
    expect(policies.out).toMatch(/CREATE POLICY "?sync_read_tasks"?/);
    for (let round = 0; round < 2; round++) await database.query(policies.out);
    await database.drop();
  });

  it.each([
    [['--help'], 0, /doctor/],
    [['--version'], 0, /^\d+\.\d+\.\d+\n$/],
    [['doctor', '--help'], 0, /--max-retained-wal <bytes>/],
    [['rls', '--help'], 0, /--ownership-resolver/],
    [['migrations', '--help'], 0, /--schema <name>/],
    [[], 2, /migrations/],
  ])('answers %j with exit status %i', async (args, status, expected) => {
    for (const ended of [await cli('', ...args), await cliHere(...args)]) {
      expect(ended.status).toBe(status);
      expect(`${ended.out}${ended.err}`).toMatch(expected);
    }
  });

  it.each([
    [['heal'], /unknown command 'heal'/],
    [['doctor'], /required option '-d, --data-source <file>' not specified/],
    [['doctor', '-d', fileURLToPath(import.meta.url), '--lenient'], /lenient/],
    [
      [
        'doctor',
        '-d',
        fileURLToPath(new URL('../../vitest.config.ts', import.meta.url)).replace('.ts', '.mjs'),
      ],
      /vitest/,
    ],
    [['doctor', '-d', MAIN.replace('main.js', 'usage.error.js')], /exports no TypeORM DataSource/],
    [['doctor', '-d', DATA_SOURCE, '--max-retained-wal', '1GB'], /number of bytes, not 1GB/],
  ])('explains %j', async (args, expected) => {
    const ended = await cliHere(...args);
    expect(ended.status).toBeGreaterThan(0);
    expect(ended.err).toMatch(expected);
  });
});
