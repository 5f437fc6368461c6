import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { Pool } from 'pg';
import { startPostgres, type PostgresServer } from '../../sample-app/postgres/server.js';
import { temporaryFolder } from '../../test/support/temporary-folder.js';
import type { TaskRule } from '../app/entities.js';
import { TABLES } from '../app/tables.js';
import { endProfile, startProfile } from '../report/profile.js';
import { countUsage, parentOf, type Usage } from '../run/usage.js';
import { createDatabase, type Database } from './database.js';
import { killProcesses, startProcess, type NodeProcess } from './node-process.js';

/** Settings of a server that is used in earnest; the same for subjects and baselines. Committed data is durable. */
export const SERVER_SETTINGS = {
  shared_buffers: '1GB',
  max_wal_size: '16GB',
  // None in the middle of a round.
  checkpoint_timeout: '30min',
  max_connections: '200',
  // Tells when a row became visible, without asking for it all the time.
  track_commit_timestamp: 'on',
} as const;

const PROFILED = {
  shared_preload_libraries: 'pg_stat_statements',
  'pg_stat_statements.track_planning': 'on',
} as const;

export interface EnvironmentOptions {
  /** Less of everything. */
  readonly quick: boolean;
  /** Where CPU profiles of the apps go; null: none are made, which cost time of their own. */
  readonly profiles: string | null;
}

export interface AppSettings {
  /** The rule for writing its tasks. Default: their owners alone write them. */
  readonly rule?: TaskRule;
  /** The limit of its heap in MB. Default: as Node chooses by the machine's memory. */
  readonly heapMb?: number;
}

/** Everything that rows are played on: a PostgreSQL server, databases, and Node processes. */
export class Environment {
  private readonly databases: Database[] = [];
  private processes: NodeProcess[] = [];
  private apps: {
    readonly app: NodeProcess;
    readonly database: Database;
  }[] = [];
  private count = 0;

  static async open(options: EnvironmentOptions): Promise<Environment> {
    const folder = await temporaryFolder();
    // Its making may go on for a moment when that is interrupted.
    const removeFolder = (): void =>
      rmSync(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
    process.once('exit', removeFolder);
    const server = await startPostgres({
      dataDir: join(folder, 'postgres'),
      durable: true,
      settings: { ...SERVER_SETTINGS, ...(options.profiles !== null && PROFILED) },
    });
    process.off('exit', removeFolder);
    // In this order, also when the benchmark is interrupted.
    process.once('exit', () => {
      killProcesses();
      server.destroySync();
      removeFolder();
    });
    const pool = new Pool({ connectionString: server.url, max: 2 });
    pool.on('error', () => undefined);
    const { rows } = await pool.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
    return new Environment(options, server, pool, parentOf(rows[0]?.pid ?? 0));
  }

  private constructor(
    readonly options: EnvironmentOptions,
    private readonly server: PostgresServer,
    private readonly pool: Pool,
    private readonly postmasterPid: number,
  ) {}

  /** One of two sizes: of a whole run, and of a quick one. */
  size(whole: number, quick: number): number {
    return this.options.quick ? quick : whole;
  }

  /** A database with the host's tables, empty. */
  async database(): Promise<Database> {
    const database = await createDatabase(this.pool, this.server.url, `bench_${++this.count}`);
    this.databases.push(database);
    database.pool.on('error', () => undefined);
    await database.query(TABLES);
    return database;
  }

  /**
   * An app with sync on a database.
   */
  async app(database: Database, { rule = 'owned', heapMb }: AppSettings = {}): Promise<NodeProcess> {
    const app = await this.process('app/main.js', {
      DATABASE_URL: database.url,
      SYNC_NAME: database.name,
      SYNC_TASKS: rule,
      ...(heapMb !== undefined && { NODE_OPTIONS: `--max-old-space-size=${heapMb}` }),
    });
    this.apps.push({ app, database });
    return app;
  }

  /** A process of a baseline's own: a module in `baselines/`. */
  async baseline(name: string, database: Database): Promise<NodeProcess> {
    return this.process(`baselines/${name}.js`, { DATABASE_URL: database.url });
  }

  /** Runs the timed part of a round. */
  async timed(
    measured: Pick<NodeProcess, 'pid'>,
    work: () => Promise<void>,
  ): Promise<{ readonly seconds: number; readonly usage: Usage }> {
    const end = countUsage(measured.pid, this.postmasterPid);
    const began = performance.now();
    await work();
    const seconds = (performance.now() - began) / 1000;
    return { seconds, usage: end() };
  }

  /** Begins to profile the row's first app, if that is wanted. */
  async startProfile(): Promise<void> {
    const [first] = this.apps;
    if (first && this.options.profiles !== null) await startProfile(first.app, first.database);
  }

  /** @returns lines for people */
  async endProfile(name: string): Promise<readonly string[]> {
    const [first] = this.apps;
    const { profiles } = this.options;
    return first && profiles !== null ? endProfile(first.app, first.database, profiles, name) : [];
  }

  /** What memory each of the row's apps has had so far, for people. */
  memory(): readonly string[] {
    return this.apps.map(
      ({ app, database }) => `memory of the app of ${database.name}: ${app.memory.describe()}`,
    );
  }

  /** Ends an app before its row is over. */
  async end(app: NodeProcess): Promise<void> {
    this.apps = this.apps.filter((each) => each.app !== app);
    this.processes = this.processes.filter((each) => each !== app);
    await app.stop();
  }

  /** Ends what a row has begun. */
  async clear(): Promise<void> {
    this.apps.splice(0);
    await Promise.all(this.processes.splice(0).map((each) => each.stop()));
    for (const database of this.databases.splice(0)) await database.drop();
  }

  /** The server's version, for the report. */
  async version(): Promise<string> {
    const { rows } = await this.pool.query<{ server_version: string }>('SHOW server_version');
    return rows[0]?.server_version ?? '';
  }

  private async process(module: string, env: Readonly<Record<string, string>>): Promise<NodeProcess> {
    const started = await startProcess(new URL(`../${module}`, import.meta.url), env);
    this.processes.push(started);
    return started;
  }
}
