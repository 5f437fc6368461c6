import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { mkdir, rm } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freePort } from '../../sample-app/postgres/free-port.js';
import { startAppProcess } from '../support/app-process.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { Device } from '../support/device.js';
import { pack, readManifest, type PackedPackage } from '../support/packed.js';
import { testRun } from '../support/run.js';
import { runProgram } from '../support/run-program.js';
import { insertTask } from '../support/sample-rows.js';
import { eventually } from '../support/wait.js';
import { readAdoption, type Adoption } from './adoption.js';
import { HostApp, type ModuleSystem } from './host-app.js';
import { installNode, NO_BINARIES, NODE_VERSIONS } from './node-versions.js';

let folder: string;
let adoption: Adoption;
let packed: PackedPackage;

beforeAll(async () => {
  folder = join(testRun().folder, 'adoption');
  await mkdir(folder);
});
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

it('a page says how to adopt the package, file by file', async () => {
  adoption = await readAdoption();
  expect([...adoption.files.keys()]).toEqual(
    expect.arrayContaining(['tasks/task.entity.ts', 'app.module.ts', 'main.ts', 'first-device.ts']),
  );
});

it('`npm pack` makes a tarball', async () => {
  packed = await pack(folder);
});

describe.each<ModuleSystem>(['esm', 'cjs'])('a new app (%s)', (modules) => {
  let host: HostApp;
  let database: TestDatabase;

  beforeAll(async () => {
    host = new HostApp(join(folder, modules), modules);
    database = await createDatabase();
  });
  afterAll(async () => {
    await database.drop();
  });

  it('is made by the Nest CLI', async () => {
    await host.create();
  });

  it('installs the tarball, and what the page says beside it', async () => {
    await host.install(packed.tarball, adoption);
  });

  it('has one copy of each package that it shares', async () => {
    const peers = Object.keys((await readManifest()).peerDependencies);
    const copies = await host.copiesOf(peers);
    expect(copies.toSorted()).toEqual(peers.map((name) => join('node_modules', name)).toSorted());
  });

  it("builds with the page's files in place, and with strict checks of all declarations", async () => {
    await host.adopt(adoption);
    await host.build();
  });

  it('syncs devices on the Node that runs this', async () => {
    await syncsDevices(process.execPath);
  });

  it.for(NODE_VERSIONS)('syncs devices on Node %s', async (version, { skip }) => {
    if (NO_BINARIES !== null) {
      console.warn(NO_BINARIES);
      skip(NO_BINARIES);
    }
    const node = await installNode(folder, version);
    const { stdout } = await runProgram(node, ['--version'], { cwd: folder });
    expect(stdout.startsWith(`v${version}`), stdout).toBe(true);
    await syncsDevices(node);
  });

  async function syncsDevices(node: string): Promise<void> {
    const port = await freePort();
    const url = `http://localhost:${port}`;
    const env = { PORT: String(port), SYNC_URL: `${url}/sync` };
    const app = await startAppProcess({
      database,
      node,
      env,
      main: host.main,
      ready: /application successfully started/,
    });
    try {
      await eventually(async () => (await fetch(url)).status > 0);
      const { stdout } = await runProgram(node, [host.firstDevice], { cwd: host.folder, env });
      expect(stdout).toMatch(/status: 'applied'[^]*title: 'Buy milk'/);
      await syncsBothWays(url);
    } finally {
      const { code } = await app.kill('SIGTERM');
      expect(app.output()).not.toMatch(/ERROR/);
      expect(code, app.output()).not.toBe(1);
    }
    expect(
      await database.query('SELECT FROM pg_replication_slots WHERE active AND database = $1', [
        database.name,
      ]),
    ).toEqual([]);
  }

  async function syncsBothWays(url: string): Promise<void> {
    const user = randomUUID();
    const phone = new Device(url, user);
    await phone.start();
    const mine = phone.create('tasks', { title: 'typed offline', user_id: user });
    await phone.sync();
    expect(await database.query('SELECT title FROM tasks WHERE id = $1', [mine])).toEqual([
      { title: 'typed offline' },
    ]);
    const theirs = await insertTask(database, user, 'written by psql');
    await eventually(async () => {
      await phone.sync();
      return phone.rows('tasks').has(theirs);
    });
    const stranger = new Device(url, randomUUID());
    await stranger.start();
    expect(stranger.rows('tasks').size).toBe(0);
  }
});
