import { spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { rmSync } from 'node:fs';
import { chown, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { chooseAccount, type Account } from './account.js';
import { prepareBinaries, type Binaries } from './binaries.js';
import { prepareDataFolder } from './data-folder.js';
import { freePort } from './free-port.js';
import { findPostmaster, isAlive } from './postmaster.js';

export interface PostgresOptions {
  /** Where the cluster's files go; created when it is missing. See {@link PostgresServer.dataDir}. */
  readonly dataDir: string;
  /** Whether committed data outlives a crash of the machine. Default: true. */
  readonly durable?: boolean;
  /** Further server settings, such as `{ max_connections: '200' }`. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Folder with PostgreSQL's programs (`bin`, `lib`, `share`). See {@link prepareBinaries}. */
  readonly nativeDir?: string;
}

/** A PostgreSQL server on the loopback address, with `wal_level=logical`. */
export interface PostgresServer {
  /** Connects as the superuser to the database `postgres`. */
  readonly url: string;
  /** Where the files really are: elsewhere than asked when PostgreSQL's user could not get there. */
  readonly dataDir: string;
  /** Stops it, `fast` (default) or `immediate`, which is a crash. Nothing happens when another app is using it. */
  stop(mode?: StopMode): Promise<void>;
  /** The same, without giving way to anything else: for `process.on('exit')`. */
  stopSync(): void;
  /** Stops it and deletes its files, without giving way to anything else. */
  destroySync(): void;
}

export type StopMode = 'fast' | 'immediate';

const SUPERUSER = 'postgres';
const STOP_SECONDS = 30;
const START_SECONDS = 60;
const START_ATTEMPTS = 3;

const SETTINGS: Readonly<Record<string, string>> = {
  wal_level: 'logical',
  max_wal_senders: '20',
  max_replication_slots: '20',
  listen_addresses: '127.0.0.1',
  // A socket's path may be 107 bytes long, which a clone's path easily exceeds.
  unix_socket_directories: '',
};

/**
 * Starts a server on a cluster that is created at the first start and kept afterwards.
 *
 * A server that a killed app left behind is stopped and started again; one that a living app uses is shared.
 *
 * @throws Error with the server's last messages when it does not start.
 */
export async function startPostgres(options: PostgresOptions): Promise<PostgresServer> {
  const wanted = resolve(options.dataDir);
  const account = await chooseAccount(wanted);
  const dataDir = await prepareDataFolder(wanted, account);
  const cluster = new Cluster(dataDir, account, await prepareBinaries(account, options.nativeDir));

  const running = await findPostmaster(cluster.clusterDir);
  if (running && (await cluster.isUsedByAnother())) {
    const url = await cluster.url(running.port);
    return { url, dataDir, stop: async () => {}, stopSync: () => {}, destroySync: () => {} };
  }
  if (running) await cluster.stop('fast');
  await cluster.create(options.durable ?? true);
  const hasty: Record<string, string> =
    options.durable === false ? { fsync: 'off', full_page_writes: 'off' } : {};
  const port = await cluster.start({ ...SETTINGS, ...hasty, ...options.settings });

  return {
    url: await cluster.url(port),
    dataDir,
    stop: async (mode) => cluster.stop(mode ?? 'fast'),
    stopSync: () => cluster.stopSync('fast'),
    destroySync: () => {
      cluster.stopSync('immediate');
      rmSync(dataDir === wanted ? dataDir : dirname(dataDir), { recursive: true, force: true });
    },
  };
}

/** One folder: `cluster` (the server's own), `password`, `server.log`, and `owner`, the app that started it. */
class Cluster {
  readonly clusterDir: string;
  private readonly passwordFile: string;
  private readonly ownerFile: string;
  private readonly logFile: string;

  constructor(
    dataDir: string,
    private readonly account: Account,
    private readonly binaries: Binaries,
  ) {
    this.clusterDir = join(dataDir, 'cluster');
    this.passwordFile = join(dataDir, 'password');
    this.ownerFile = join(dataDir, 'owner');
    this.logFile = join(dataDir, 'server.log');
  }

  async url(port: number): Promise<string> {
    const password = await readFile(this.passwordFile, 'utf8');
    return `postgres://${SUPERUSER}:${password}@127.0.0.1:${port}/postgres`;
  }

  async isUsedByAnother(): Promise<boolean> {
    const owner = Number(await readFile(this.ownerFile, 'utf8').catch(() => ''));
    return owner > 0 && owner !== process.pid && isAlive(owner);
  }

  async create(durable: boolean): Promise<void> {
    const version = await readFile(join(this.clusterDir, 'PG_VERSION'), 'utf8').catch(() => undefined);
    if (version?.trim() === this.binaries.version) return;
    if (version !== undefined) {
      throw new Error(
        `${this.clusterDir} belongs to PostgreSQL ${version.trim()}, and this is ${this.binaries.version}: move or delete it.`,
      );
    }
    // A rename makes the cluster appear complete or not at all, whenever this process dies.
    const draft = `${this.clusterDir}.new`;
    await rm(draft, { recursive: true, force: true });
    await this.write(this.passwordFile, randomBytes(16).toString('hex'), 0o600);
    const { uid, gid } = this.account;
    if (uid !== undefined && gid !== undefined) await chown(this.passwordFile, uid, gid);
    const flags = ['--encoding=UTF8', '--locale=C', '--auth=scram-sha-256', '--no-instructions'];
    if (!durable) flags.push('--no-sync');
    await this.run(this.binaries.initdb, [
      ...flags,
      `--username=${SUPERUSER}`,
      `--pwfile=${this.passwordFile}`,
      `--pgdata=${draft}`,
    ]);
    await rename(draft, this.clusterDir);
  }

  async start(settings: Readonly<Record<string, string>>): Promise<number> {
    for (let attempt = 1; ; attempt += 1) {
      const port = await freePort();
      const flags = Object.entries({ ...settings, port: String(port) }).map(
        ([name, value]) => `-c ${name}=${value}`,
      );
      await rm(this.logFile, { force: true });
      try {
        // pg_ctl gives the server a session of its own: Ctrl-C reaches the app, and the app stops the server last.
        const where = ['-D', this.clusterDir, '-l', this.logFile];
        const wait = ['-w', '-t', String(START_SECONDS), '-s'];
        await this.run(this.binaries.pgCtl, ['start', ...where, ...wait, '-o', flags.join(' ')]);
        await this.write(this.ownerFile, String(process.pid), 0o644);
        return port;
      } catch (error) {
        const log = await readFile(this.logFile, 'utf8').catch(() => '');
        // Somebody else may have taken the port since it was seen free.
        if (attempt < START_ATTEMPTS && log.includes('could not bind')) continue;
        throw new Error(`PostgreSQL did not start in ${this.clusterDir}:\n${log.slice(-2_000)}`, {
          cause: error,
        });
      }
    }
  }

  async stop(mode: StopMode): Promise<void> {
    if (!(await findPostmaster(this.clusterDir))) return;
    try {
      await this.run(this.binaries.pgCtl, this.stopArguments(mode));
    } catch (error) {
      if (mode === 'immediate') throw error;
      // A client that neither reads nor leaves holds a fast shutdown up; recovery repairs what this cuts short.
      await this.run(this.binaries.pgCtl, this.stopArguments('immediate'));
    }
  }

  stopSync(mode: StopMode): void {
    const options = { ...this.account, cwd: '/' };
    const stopped = spawnSync(this.binaries.pgCtl, this.stopArguments(mode), options);
    if (stopped.status !== 0 && mode !== 'immediate')
      spawnSync(this.binaries.pgCtl, this.stopArguments('immediate'), options);
  }

  private stopArguments(mode: StopMode): string[] {
    return ['stop', '-D', this.clusterDir, '-m', mode, '-w', '-t', String(STOP_SECONDS), '-s'];
  }

  /** Always a new file: root must not write through a link that the owner of the folder planted. */
  private async write(path: string, text: string, mode: number): Promise<void> {
    await rm(path, { force: true });
    await writeFile(path, text, { mode, flag: 'wx' });
  }

  private async run(program: string, args: readonly string[]): Promise<void> {
    return new Promise((done, failed) => {
      // `C`, because a locale that the system lacks stops the server; and no PG* variables of the developer's.
      const env = { PATH: process.env['PATH'], SystemRoot: process.env['SystemRoot'], LC_ALL: 'C' };
      const child = spawn(program, args, {
        ...this.account,
        cwd: '/',
        env,
        stdio: ['ignore', 'ignore', 'pipe'],
        windowsHide: true,
      });
      let messages = '';
      child.stderr.setEncoding('utf8').on('data', (text: string) => (messages += text));
      child.once('error', failed);
      // Not 'close': on Windows the server inherits the pipe and would hold it open.
      child.once('exit', (code) => {
        if (code === 0) done();
        else failed(new Error(`${program} ended with code ${code}: ${messages}`));
      });
    });
  }
}
