import { mkdir, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SyncDevice } from '../../lib/testing/index.js';
import { freePort } from '../../sample-app/postgres/free-port.js';
import { startAppProcess, type AppProcess } from '../../test/support/app-process.js';
import { frameworkExamples } from '../../test/support/framework-examples.js';
import { pack } from '../../test/support/packed.js';
import { readPage } from '../../test/support/readme.js';
import { testRun } from '../../test/support/run.js';
import { runNpm } from '../../test/support/run-program.js';
import { eventually } from '../../test/support/wait.js';
import { startBrowser } from './support/browser.js';
import { startServer, type SampleServer } from './support/devices.js';

const INSTALL = /npm install nestjs-synchro-client(.*)$/gm;

let folder: string;
let tarball: string;
let server: SampleServer;
let browser: Browser;

beforeAll(async () => {
  folder = path.join(testRun().folder, 'stranger');
  await mkdir(folder);
  ({ tarball } = await pack(folder, 'client'));
  server = await startServer();
  browser = await startBrowser();
});
afterAll(async () => {
  await browser.close();
  await server.close();
  await rm(folder, { recursive: true, force: true });
});

describe.each([
  ['react', 0],
  ['tanstack', 1],
])('a stranger’s app, by docs/client-frameworks.md (%s)', (name, command) => {
  let root: string;
  let app: AppProcess;
  let context: BrowserContext;

  afterAll(async () => {
    await context.close();
    await app.kill('SIGTERM');
  });

  it('is made by Vite, and builds with the page’s files and the packed client', async () => {
    root = path.join(folder, name);
    await runNpm(
      ['create', '--yes', 'vite@latest', name, '--', '--template', 'react-ts', '--no-interactive'],
      {
        cwd: folder,
      },
    );
    const { text } = await readPage('docs/client-frameworks.md');
    const [, others = ''] = [...text.matchAll(INSTALL)][command] ?? [];
    const packages = others.split(' ').filter((each) => each !== '');
    await runNpm(['install', '--no-audit', '--no-fund', tarball, ...packages], { cwd: root });
    for (const [file, code] of (await frameworkExamples()).get(name) ?? []) {
      await writeFile(path.join(root, file === 'vite.config.ts' ? '.' : 'src', file), code);
    }
    await runNpm(['run', 'build'], { cwd: root });
  });

  it('is served', async () => {
    const port = String(await freePort());
    app = await startAppProcess({
      main: path.join(root, 'node_modules/vite/bin/vite.js'),
      args: ['preview', root, '--port', port, '--strictPort'],
      env: { API_URL: server.app.url },
      ready: /Local:\s+(http\S+)/,
    });
    context = await browser.newContext();
  });

  it('syncs two tabs and a phone, and goes on offline', async () => {
    const phone = new SyncDevice({ target: server.url, headers: { 'x-user-id': 'alice' } });
    await phone.start();
    const [one, two] = [await open(), await open()];
    await add(one, `Milk by ${name}`);
    await shown(two, `Milk by ${name}`, 1);
    await onPhone(phone, `Milk by ${name}`, 1);
    await phone.create('tasks', { title: `Bread by ${name}` });
    for (const tab of [one, two]) await shown(tab, `Bread by ${name}`, 1);
    await context.setOffline(true);
    await add(two, `Tea by ${name}`);
    await shown(one, `Tea by ${name}`, 1);
    await context.setOffline(false);
    await onPhone(phone, `Tea by ${name}`, 1);
    await row(one, `Milk by ${name}`).getByRole('button').click();
    await shown(two, `Milk by ${name}`, 0);
    await onPhone(phone, `Milk by ${name}`, 0);
  });

  async function open(): Promise<Page> {
    const page = await context.newPage();
    await page.goto(app.url);
    return page;
  }
});

async function add(page: Page, title: string): Promise<void> {
  await page.getByLabel('Title').fill(title);
  await page.getByRole('button', { name: 'Add' }).click();
  await shown(page, title, 1);
}

const row = (page: Page, title: string) => page.getByRole('listitem').filter({ hasText: title });

async function shown(page: Page, title: string, times: number): Promise<void> {
  await eventually(async () => expect(await row(page, title).count()).toBe(times));
}

async function onPhone(phone: SyncDevice, title: string, times: number): Promise<void> {
  await eventually(async () => {
    await phone.pull();
    const titles = [...phone.rows('tasks').values()].map((each) => each['title']);
    expect(titles.filter((each) => each === title)).toHaveLength(times);
  });
}
