import { randomBytes, randomUUID } from 'node:crypto';
import { getDataSourceToken } from '@nestjs/typeorm';
import { SyncEngine, SyncStatus, SyncTable } from 'nestjs-synchro';
import { escapeIdentifier, escapeLiteral } from 'pg';
import { Column, type DataSource, Entity } from 'typeorm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTableSql } from '../support/schema-fixtures.js';
import { withClient } from '../support/client.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { Device } from '../support/device.js';
import { testRun } from '../support/run.js';
import { startWalApp, SyncedRow } from '../support/wal-app.js';
import { toJson } from '../support/wire.js';

@Entity('folders')
@SyncTable({ ownerColumn: 'user_id' })
class Folder extends SyncedRow {
  @Column('text', { name: 'user_id' })
  userId!: string;
}

@Entity('notes')
@SyncTable({ parent: () => Folder, parentFkColumn: 'folder_id' })
class Note extends SyncedRow {
  @Column('uuid', { name: 'folder_id' })
  folderId!: string;

  @Column('text', { nullable: true })
  body!: string | null;

  @Column('json', { nullable: true })
  document!: unknown;

  @Column('jsonb', { nullable: true })
  data!: unknown;

  @Column('text', { array: true, nullable: true })
  tags!: (string | null)[] | null;

  @Column('xml', { nullable: true })
  page!: string | null;

  @Column('bytea', { nullable: true })
  bytes!: Buffer | null;

  @Column('float8', { nullable: true })
  ratio!: number | null;
}

/** Values that are as far from the default as they go. What a server doesn't know is left out. */
const ODD: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  text: {
    TimeZone: 'Asia/Kathmandu',
    DateStyle: 'German, DMY',
    IntervalStyle: 'sql_standard',
    bytea_output: 'escape',
    extra_float_digits: '-5',
    lc_monetary: 'C',
    lc_numeric: 'C',
    lc_time: 'C',
    lc_messages: 'C',
    client_encoding: 'LATIN1',
    timezone_abbreviations: 'India',
    default_text_search_config: 'pg_catalog.simple',
    xmlbinary: 'hex',
    xmloption: 'document',
  },
  parsing: {
    standard_conforming_strings: 'off',
    backslash_quote: 'on',
    escape_string_warning: 'off',
    transform_null_equals: 'on',
    array_nulls: 'off',
    quote_all_identifiers: 'on',
    check_function_bodies: 'off',
    restrict_nonsystem_relation_kind: 'view, foreign-table',
  },
  transactions: {
    default_transaction_isolation: 'serializable',
    default_transaction_read_only: 'on',
    default_transaction_deferrable: 'on',
    synchronous_commit: 'off',
    row_security: 'off',
    session_replication_role: 'replica',
    event_triggers: 'off',
    exit_on_error: 'on',
    deadlock_timeout: '1ms',
  },
  limits: {
    transaction_timeout: '200ms',
    idle_in_transaction_session_timeout: '1ms',
    idle_session_timeout: '700ms',
    statement_timeout: '5s',
    lock_timeout: '5s',
    wal_sender_timeout: '300ms',
    client_connection_check_interval: '1ms',
    tcp_user_timeout: '1000',
    max_stack_depth: '200kB',
  },
  planner: {
    plan_cache_mode: 'force_generic_plan',
    enable_async_append: 'off',
    enable_bitmapscan: 'off',
    enable_distinct_reordering: 'off',
    enable_gathermerge: 'off',
    enable_group_by_reordering: 'off',
    enable_hashagg: 'off',
    enable_hashjoin: 'off',
    enable_incremental_sort: 'off',
    enable_indexonlyscan: 'off',
    enable_indexscan: 'off',
    enable_material: 'off',
    enable_memoize: 'off',
    enable_mergejoin: 'off',
    enable_nestloop: 'off',
    enable_parallel_append: 'off',
    enable_parallel_hash: 'off',
    enable_partition_pruning: 'off',
    enable_partitionwise_aggregate: 'on',
    enable_partitionwise_join: 'on',
    enable_presorted_aggregate: 'off',
    enable_self_join_elimination: 'off',
    enable_seqscan: 'off',
    enable_sort: 'off',
    enable_tidscan: 'off',
    constraint_exclusion: 'on',
    cpu_index_tuple_cost: '1000',
    cpu_operator_cost: '1000',
    cpu_tuple_cost: '1000',
    random_page_cost: '100000',
    seq_page_cost: '0',
    cursor_tuple_fraction: '1',
    from_collapse_limit: '1',
    join_collapse_limit: '1',
    geqo_threshold: '2',
    geqo_effort: '1',
    geqo_seed: '0.5',
    gin_fuzzy_search_limit: '1',
    recursive_worktable_factor: '1000',
    default_statistics_target: '1',
    stats_fetch_consistency: 'snapshot',
    synchronize_seqscans: 'off',
  },
  parallel: {
    debug_parallel_query: 'on',
    force_parallel_mode: 'on',
    parallel_setup_cost: '0',
    parallel_tuple_cost: '0',
    min_parallel_table_scan_size: '0',
    min_parallel_index_scan_size: '0',
    max_parallel_workers_per_gather: '2',
    parallel_leader_participation: 'off',
    jit: 'on',
    jit_above_cost: '0',
    jit_inline_above_cost: '0',
    jit_optimize_above_cost: '0',
  },
  memory: {
    work_mem: '64kB',
    hash_mem_multiplier: '1',
    maintenance_work_mem: '1MB',
    temp_buffers: '100',
    logical_decoding_work_mem: '64kB',
    effective_cache_size: '1',
    effective_io_concurrency: '0',
    maintenance_io_concurrency: '0',
    backend_flush_after: '1',
    debug_logical_replication_streaming: 'immediate',
    logical_replication_mode: 'immediate',
    logical_decoding_mode: 'immediate',
    default_toast_compression: 'pglz',
    default_table_access_method: 'heap',
    default_tablespace: 'pg_default',
    temp_tablespaces: 'pg_default',
  },
  messages: {
    client_min_messages: 'debug5',
    log_statement: 'all',
    log_min_messages: 'panic',
    log_error_verbosity: 'verbose',
    log_duration: 'on',
    debug_print_parse: 'on',
    debug_pretty_print: 'off',
    trace_notify: 'on',
    track_activities: 'off',
    track_counts: 'off',
    update_process_title: 'off',
    compute_query_id: 'off',
    application_name: 'odd',
  },
};

/** Settings that neither change what a statement means nor how long it may run. */
const HARMLESS =
  /^(log_|track_|debug_|trace_|vacuum_|wal_|geqo|jit_|tcp_keepalives_|commit_|lo_|max_parallel_|zero_damaged|ignore_|allow_|backtrace_|post_auth|io_|file_|icu_|gin_pending|createrole|password_|md5_|scram_|role|is_superuser|transaction_(isolation|read_only|deferrable)$|.*_preload_libraries|dynamic_library_path|extension_control_path|temp_file_limit|search_path|array_nulls|restrict_)/;

/** Every one of them is set for a role in the test's database: nothing outranks that but the session itself. */
describe("the main job doesn't depend on anybody's settings", () => {
  const role = `${testRun().prefix}_odd_${randomBytes(3).toString('hex')}`;
  const password = randomBytes(8).toString('hex');
  const databases: TestDatabase[] = [];

  beforeAll(async () => {
    await withClient(testRun().serverUrl, (client) =>
      client.query(
        `CREATE ROLE ${escapeIdentifier(role)} SUPERUSER LOGIN PASSWORD ${escapeLiteral(password)}`,
      ),
    );
  });

  afterAll(async () => {
    for (const database of databases) await database.drop();
    await withClient(testRun().serverUrl, (client) =>
      client.query(`DROP ROLE IF EXISTS ${escapeIdentifier(role)}`),
    );
  });

  async function under(settings: Readonly<Record<string, string>>): Promise<{
    readonly database: TestDatabase;
    readonly own: TestDatabase;
  }> {
    const database = await createDatabase();
    databases.push(database);
    await database.query(createTableSql('folders', 'user_id text NOT NULL'));
    await database.query(
      createTableSql(
        'notes',
        `folder_id uuid NOT NULL REFERENCES folders, body text, document json, data jsonb, tags text[], page xml,
         bytes bytea, ratio float8`,
      ),
    );
    const known = await database.query<{ name: string }>(`SELECT lower(name) AS name FROM pg_settings`);
    const names = new Set(known.map(({ name }) => name));
    for (const [name, value] of Object.entries(settings)) {
      if (!names.has(name.toLowerCase())) continue;
      await database.query(
        `ALTER ROLE ${escapeIdentifier(role)} IN DATABASE ${escapeIdentifier(database.name)} SET ${name} = ${value.split(', ').map(escapeLiteral).join(', ')}`,
      );
    }
    const url = new URL(database.url);
    [url.username, url.password] = [role, password];
    return { database, own: { ...database, url: url.href } };
  }

  it.each([
    ...Object.entries(ODD),
    ['all at once', Object.assign({}, ...Object.values(ODD)) as Record<string, string>] as const,
  ])('with odd %s [W-HOST-11]', { timeout: 60_000 }, async (_, settings) => {
    const { database, own } = await under(settings);
    const folder = randomUUID();
    await database.query(`INSERT INTO folders (id, user_id) VALUES ($1, 'alice')`, [folder]);
    const app = await startWalApp(own, [Folder, Note], { compaction: {} });
    const engine = app.app.get(SyncEngine);
    const [phone, tablet] = [new Device(app.url, 'alice'), new Device(app.url, 'alice')];
    await phone.start();
    await tablet.start();
    expect([...phone.rows('folders').keys()]).toEqual([folder]);

    const values = {
      folder_id: folder,
      body: String.raw`a \ backslash, \' a quote and ${randomBytes(40).toString('base64')}`,
      document: String.raw`{"n": 12345678901234567890, "path": "C:\\x"}`,
      data: { big: 'x'.repeat(3), path: String.raw`C:\dir\new` },
      tags: ['NULL', null, String.raw`\n`],
      page: 'just text',
      bytes: Buffer.from([0, 255, 92]).toString('base64'),
      ratio: 0.1 + 0.2,
    };
    const note = phone.create('notes', values);
    expect(await phone.pushPending()).toMatchObject([{ rejected: [] }]);
    await engine.caughtUp();
    await tablet.pull();
    const row = tablet.row('notes', note);
    expect(row).toMatchObject({ body: values.body, page: 'just text', bytes: String.raw`\x00ff5c` });
    expect(toJson(row?.['ratio'])).toBe('0.30000000000000004');
    expect(toJson(row?.['tags'])).toEqual(JSON.stringify(values.tags));
    expect(toJson(row?.['data'])).toContain(String.raw`C:\\dir\\new`);

    const byHost = randomUUID();
    await database.query(
      `INSERT INTO notes (id, folder_id, document) VALUES ($1, $2, '{"n": 12345678901234567890, "h": "\\ud800"}')`,
      [byHost, folder],
    );
    phone.update('notes', note, { body: String.raw`again \x` });
    await phone.sync();
    await engine.caughtUp();
    for (const device of [phone, tablet]) await device.pull();
    expect(tablet.row('notes', note)).toMatchObject({ body: String.raw`again \x` });
    expect(toJson(phone.row('notes', byHost)?.['document'])).toContain('12345678901234567890.0');
    tablet.delete('notes', byHost);
    await tablet.sync();
    await engine.caughtUp();
    for (const device of [phone, tablet]) await device.sync();
    expect(phone.rows('notes').has(byHost)).toBe(false);
    await tablet.pull();
    const { deletedEntries } = await engine.runCompaction();
    expect(deletedEntries).toBeGreaterThan(0);
    expect(await app.app.get(SyncStatus).read()).toMatchObject({
      consumer: { state: 'consuming' },
      openRuleFailures: 0,
      slot: { active: true },
    });
    await app.close();
  });

  it(
    'brings a transaction of 60,000 rows, however short a transaction may take [W-HOST-12]',
    {
      timeout: 120_000,
    },
    async () => {
      const { database, own } = await under({ transaction_timeout: '1s', statement_timeout: '1s' });
      const app = await startWalApp(own, [Folder, Note]);
      await database.query(
        `INSERT INTO folders (id, user_id) SELECT gen_random_uuid(), 'alice' FROM generate_series(1, 60000)`,
      );
      await app.app.get(SyncEngine).caughtUp({ timeout: 90_000 });
      const [count] = await database.query(
        `SELECT count(*)::int AS edges FROM sync_bucket_edges WHERE table_name = 'folders'`,
      );
      expect(count).toEqual({ edges: 60_000 });
      await app.close();
    },
  );

  it('takes as long as host code and a batch take, however short a transaction may take [W-HOST-12]', async () => {
    const { database, own } = await under({ transaction_timeout: '200ms' });
    const app = await startWalApp(own, [Folder, Note], {
      hooks: {
        onPushAccepted: async ({ manager }) => {
          await manager.query('SELECT pg_sleep(0.4)');
        },
      },
    });
    const [phone, tablet] = [new Device(app.url, 'alice'), new Device(app.url, 'alice')];
    await phone.start();
    await tablet.start();
    await database.query(
      `CREATE FUNCTION be_slow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(0.4); RETURN NULL; END'`,
    );
    await database.query(
      'CREATE TRIGGER be_slow AFTER INSERT ON sync_changelog FOR EACH STATEMENT EXECUTE FUNCTION be_slow()',
    );
    const folder = phone.create('folders', { user_id: 'alice' });
    expect(await phone.pushPending()).toMatchObject([{ rejected: [] }]);
    await app.app.get(SyncEngine).caughtUp({ timeout: 10_000 });
    await tablet.pull();
    expect([...tablet.rows('folders').keys()]).toEqual([folder]);
    await app.close();
  });

  it("leaves the host's settings to the host, behind a transaction and within [W-HOST-13]", async () => {
    const odd = { ...ODD['text'], ...ODD['parsing'], ...ODD['planner'], synchronous_commit: 'off' };
    const { own } = await under(odd);
    const seen: unknown[] = [];
    const app = await startWalApp(own, [Folder, Note], {
      hooks: {
        onPushAccepted: async ({ manager }) => {
          seen.push(
            ...(await manager.query<unknown[]>(
              `SELECT current_setting('standard_conforming_strings') AS strings, current_setting('transform_null_equals') AS nulls,
                      current_setting('TimeZone') AS zone, current_setting('synchronous_commit') AS durable`,
            )),
          );
        },
      },
    });
    const phone = new Device(app.url, 'alice');
    await phone.start();
    phone.create('folders', { user_id: 'alice' });
    await phone.sync();
    // Those by which PostgreSQL reads the host's own SQL stay; how it writes values is ours, as documented.
    expect(seen).toEqual([{ strings: 'off', nulls: 'on', zone: 'UTC', durable: 'local' }]);
    const dataSource = app.app.get<DataSource>(getDataSourceToken(), { strict: false });
    const rows = await dataSource.query<{ name: string; setting: string }[]>(
      `SELECT lower(name) AS name, current_setting(name) AS setting FROM pg_settings WHERE source = 'database user'`,
    );
    const names = rows.map(({ name }) => name);
    const settings = new Map(rows.map(({ name, setting }) => [name, setting]));
    expect(names).toEqual(expect.arrayContaining(['timezone', 'enable_seqscan', 'array_nulls']));
    for (const [name, value] of Object.entries(odd)) {
      if (settings.has(name.toLowerCase()))
        expect([name, settings.get(name.toLowerCase())]).toEqual([name, value]);
    }
    await app.close();
  });

  it('and no setting that may matter is left out of these tests [W-HOST-11]', async () => {
    const tried = new Set(
      Object.values(ODD).flatMap((settings) => Object.keys(settings).map((name) => name.toLowerCase())),
    );
    const database = await createDatabase();
    databases.push(database);
    const rows = await database.query<{ name: string }>(
      `SELECT lower(name) AS name FROM pg_settings
        WHERE context IN ('user', 'superuser') AND name NOT LIKE '%.%' ORDER BY 1`,
    );
    const left = rows.map(({ name }) => name).filter((name) => !tried.has(name) && !HARMLESS.test(name));
    expect(left).toEqual([]);
  });
});
