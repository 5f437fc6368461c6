import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { startPostgres, type PostgresServer, type StopMode } from '../../sample-app/postgres/server.js';
import { createDatabase, STEADY_SETTINGS, type TestDatabase } from '../support/database.js';
import { startAgain } from '../support/own-server.js';
import { testFolder } from '../support/run.js';
import { patiently } from './patience.js';
import type { Row } from '../support/wire.js';
import { SiteApp, type Env } from './site-app.js';
import type { ProxyConnection } from './tcp-proxy.js';

/** What faults and measurements need to know of the host app. */
export interface HostAdapter {
  /** A synced table that devices may write, whose rows nobody but their owner sees. */
  readonly table: string;
  /** SQL that inserts rows with the ids `$1::uuid[]`, owned by user `$2`. */
  readonly insertSql: string;
  /** The values of a row that a device makes. */
  readonly row: Row;
}

export interface SiteOptions {
  /**
   * A program that takes PORT, DATABASE_URL, SYNC_SLOT and SYNC_PUBLICATION and prints `URL: …` when it listens.
   * Default: the built sample app with short timeouts.
   */
  readonly main?: string;
  /** Default: the sample app's tasks. */
  readonly host?: HostAdapter;
  /** How many app processes. Default: 3. */
  readonly instances?: number;
  /** Variables of every app, or of each by its number from 1, however often it starts. */
  readonly env?: Env | ((n: number) => Env);
  /** What is done to the database before the apps start. Default: nothing. */
  readonly prepare?: (database: TestDatabase) => Promise<void>;
  /** Server settings besides those that a site has anyway. */
  readonly settings?: Readonly<Record<string, string>>;
}

const SAMPLE_HOST = join(import.meta.dirname, 'sample-host.mjs');
const SAMPLE_ADAPTER: HostAdapter = {
  table: 'tasks',
  insertSql: `INSERT INTO tasks (id, user_id, title) SELECT id, $2, 'a task' FROM unnest($1::uuid[]) AS t (id)`,
  row: { title: 'a task' },
};
const SAMPLE_ENV: Env = {
  // A leader that is gone is given up after two seconds; a transaction of some hundred rows is written in pieces.
  REPLICATION: '{"walSenderTimeout":"2s","batchRows":100,"maxBatchRows":200}',
  STATEMENT_TIMEOUT: '5000',
};

const SETTINGS = {
  max_connections: '100',
  // Small, so that WAL which nobody needs goes at the next checkpoint.
  min_wal_size: '32MB',
  max_wal_size: '64MB',
  deadlock_timeout: '200ms',
  // A client whose machine is gone is given up within seconds.
  tcp_keepalives_idle: '2',
  tcp_keepalives_interval: '1',
  tcp_keepalives_count: '3',
};

/** What a leader reads. */
export interface Stream {
  readonly app: SiteApp;
  readonly connection: ProxyConnection;
  /** The client's, as PostgreSQL sees it. */
  readonly port: number;
}

/** A PostgreSQL server of its own and the apps that work with it, all of which can be disturbed. Runs within Vitest. */
export class Site {
  private closed = false;

  static async start(options: SiteOptions = {}): Promise<Site> {
    const folder = await testFolder();
    const server = await startPostgres({
      dataDir: join(folder, 'postgres'),
      durable: false,
      settings: { ...SETTINGS, ...options.settings },
    });
    const apps: SiteApp[] = [];
    const discard = (): void => {
      process.off('exit', discard);
      server.destroySync();
      rmSync(folder, { recursive: true, force: true });
    };
    // A run that is interrupted ends without its teardown.
    process.on('exit', discard);
    try {
      const database = await createDatabase(server.url, 'UTF8', STEADY_SETTINGS);
      await options.prepare?.(database);
      const { main = SAMPLE_HOST, host = SAMPLE_ADAPTER, instances = 3 } = options;
      const env = {
        ...(options.main === undefined && SAMPLE_ENV),
        SYNC_SLOT: database.slotName,
        SYNC_PUBLICATION: database.publicationName,
      };
      for (let n = 1; n <= instances; n++) {
        const own = typeof options.env === 'function' ? options.env(n) : options.env;
        const app = { name: `app-${n}`, main, env: { ...env, ...own }, databaseUrl: database.url, folder };
        apps.push(await SiteApp.create(app));
      }
      const site = new Site(server, database, apps, host, discard);
      await Promise.all(apps.map((app) => app.start()));
      await site.leader();
      return site;
    } catch (error) {
      await Promise.all(apps.map((app) => app.close()));
      discard();
      throw error;
    }
  }

  private constructor(
    readonly server: PostgresServer,
    /** Past every proxy. */
    readonly database: TestDatabase,
    readonly apps: readonly SiteApp[],
    readonly host: HostAdapter,
    private readonly discard: () => void,
  ) {}

  /** The URL of each app, which stays the same. */
  get urls(): readonly string[] {
    return this.apps.map((app) => app.url);
  }

  /** The app that holds the slot, as soon as one does. */
  async leader(): Promise<SiteApp> {
    return patiently(async () => (await this.currentLeader()) ?? false);
  }

  /** Resolves with the new leader once another app than the given one holds the slot. */
  async nextLeader(former: SiteApp): Promise<SiteApp> {
    return patiently(async () => {
      const leader = await this.currentLeader();
      return leader !== null && leader !== former && leader;
    });
  }

  /** The app that holds the slot; null while there is none. */
  async currentLeader(): Promise<SiteApp | null> {
    return (await this.stream())?.app ?? null;
  }

  /** The connection that streams from the slot now; PostgreSQL knows it by the port from which the app's network connects. */
  async stream(): Promise<Stream | null> {
    const [sender] = await this.database.query<{ client_port: number }>(
      `SELECT client_port FROM pg_replication_slots s JOIN pg_stat_activity a ON a.pid = s.active_pid
        WHERE slot_name = $1`,
      [this.database.slotName],
    );
    if (!sender) return null;
    const port = sender.client_port;
    for (const app of this.apps) {
      const connection = app.databaseNetwork.connections.find(
        ({ targetSidePort }) => targetSidePort === port,
      );
      if (connection) return { app, connection, port };
    }
    return null;
  }

  async stopPostgres(mode: StopMode): Promise<void> {
    await this.server.stop(mode);
  }

  /** At the same port, as an operator does. */
  async startPostgres(): Promise<void> {
    await startAgain(this.server);
  }

  /** A rolling deploy: one app after the other ends and starts with these variables besides those of the site. */
  async deploy(env: Env = {}): Promise<void> {
    for (const app of this.apps) {
      await app.stop();
      await app.start(env);
    }
  }

  /**
   * Ends everything, also after a failure; nothing stays behind.
   * @throws what {@link checkCrashes} throws
   */
  async close(): Promise<void> {
    if (this.closed) return;
    this.closed = true;
    await Promise.allSettled(this.apps.map((app) => app.close()));
    // Its pool; the database goes with the server.
    await this.database.drop().catch(() => undefined);
    this.discard();
    this.checkCrashes();
  }

  /** @throws Error when an app has ended by itself, though its supervisor has started it again */
  checkCrashes(): void {
    const crashes = this.apps.flatMap((app) => app.crashes);
    if (crashes.length > 0) throw new Error(crashes.join('\n'));
  }
}
