import { randomBytes, randomUUID } from 'node:crypto';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { SignJWT } from 'jose';
import { SyncDevice } from 'nestjs-synchro/testing';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import type { AppProcess } from '../support/app-process.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { pack } from '../support/packed.js';
import { testFolder } from '../support/run.js';
import { eventually } from '../support/wait.js';
import { buildApp, command, installApps, startApp } from './existing-app.js';
import { TwoDevices } from './two-devices.js';

let folder: string;
let database: TestDatabase;
let app: AppProcess | undefined;

beforeAll(async () => {
  folder = await testFolder();
  const { tarball } = await pack(folder);
  await installApps(folder, tarball);
});
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

beforeEach(async () => {
  database = await createDatabase();
});
afterEach(async () => {
  await app?.kill();
  app = undefined;
  await database.drop();
});

it('the apps have the versions of most apps', async () => {
  const versions = await Promise.all(
    ['@nestjs/core', 'typeorm'].map(async (name) => {
      const text = await readFile(join(folder, 'node_modules', name, 'package.json'), 'utf8');
      return (JSON.parse(text) as { readonly version: string }).version;
    }),
  );
  expect(versions).toEqual([expect.stringMatching(/^11\./), expect.stringMatching(/^0\.3\./)]);
});

it('CommonJS, passport and users with serial ids: two devices of one user', async () => {
  const secret = randomBytes(32).toString('hex');
  const main = await buildApp(folder, 'serial', 'commonjs');
  app = await startApp(main, database, { JWT_SECRET: secret });
  expect(app.output()).toContain('NoteEntity: moderation: it is left out of your JSON by @Exclude()');
  const [target, notes] = [`${app.url}/api/sync`, `${app.url}/api/v1/notes`];
  const headersOf = async (id: number): Promise<Record<string, string>> => {
    const token = new SignJWT({ id }).setProtectedHeader({ alg: 'HS256' }).setExpirationTime('1h');
    return { authorization: `Bearer ${await token.sign(Buffer.from(secret))}` };
  };
  const [alice, bob] = [await headersOf(1), await headersOf(2)];
  const devices = new TwoDevices(target, alice);
  await devices.start();
  const table = 'note';
  const note = { text: 'offline', stars: 1 };
  const id = await devices.create({ table, data: note });
  expect(await database.query('SELECT id, "syncId", text, "userId" FROM note')).toEqual([
    { id: 1, syncId: id, text: 'offline', userId: 1 },
  ]);

  // The app's own routes and sequences go on.
  const headers = { 'content-type': 'application/json', ...alice };
  const body = JSON.stringify({ text: 'by the app', user: 1 });
  const made = await fetch(notes, { method: 'POST', headers, body });
  expect(await made.json()).toMatchObject({ id: 2, text: 'by the app' });
  await eventually(async () => {
    await devices.phone.pull();
    return devices.phone.rows(table).size === 2;
  });

  const stranger = new SyncDevice({ target, headers: bob });
  await stranger.start();
  expect(stranger.rows(table).size).toBe(0);
  expect(await stranger.update(table, id, { text: 'mine now' })).toMatchObject({
    status: 'rejected_terminal',
  });
  expect((await fetch(`${target}/schema`)).status).toBe(401);

  // By the loader of the app's own, as `typeorm-ts-node-commonjs` does.
  await diagnosed('serial', 'src/data-source.ts', 'note');

  await devices.live(id, { table, data: note, column: 'text', values: ['second', 'third', 'fourth'] });
  const listed = (await (await fetch(notes, { headers: alice })).json()) as { readonly text: string }[];
  expect(listed.map(({ text }) => text)).toEqual(['by the app']);
  expect(await database.query('SELECT text FROM note WHERE "deletedAt" IS NOT NULL')).toEqual([
    { text: 'third' },
  ]);
  await stops();
});

it('ES modules, a naming strategy and no delete times: two devices of one user', async () => {
  app = await startApp(await buildApp(folder, 'snake', 'module'), database);
  expect(app.output()).toContain(
    'PostTranslationEntity: review_note: it is left out of your JSON by @Exclude()',
  );
  const user = randomUUID();
  await database.query(`INSERT INTO users (id, first_name) VALUES ($1, 'Alice')`, [user]);
  const devices = new TwoDevices(`${app.url}/sync`, { 'x-user-id': user });
  await devices.start();
  const post = { post_title: 'Hello' };
  const id = await devices.create({ table: 'posts', data: post });
  const columns = Object.keys(devices.laptop.rows('posts').get(id) ?? {});
  expect(columns.toSorted()).toEqual([
    'created_at',
    'deleted_at',
    'id',
    'post_title',
    'updated_at',
    'user_id',
  ]);
  await diagnosed('snake', 'dist/data-source.js', 'post_translations');
  await expect(doctor('snake', 'src/data-source.ts')).rejects.toThrow(
    "src/data-source.ts can't be loaded by ts-node in the app's folder; compile it, and give the .js file that comes of it: ",
  );

  const translation = { language_code: 'de', post_id: id };
  const child = await devices.create({ table: 'post_translations', data: translation });

  await devices.live(child, {
    table: 'post_translations',
    data: translation,
    column: 'language_code',
    values: ['fr', 'it', 'es'],
  });
  await devices.live(id, {
    table: 'posts',
    data: post,
    column: 'post_title',
    values: ['Bonjour', 'Buongiorno', 'Hola'],
  });
  expect(await database.query('SELECT FROM posts')).toEqual([]);
  expect(await database.query('SELECT FROM post_translations')).toEqual([]);
  await stops();
});

it('embedded times and a link table with a key of two columns: two devices of one user', async () => {
  app = await startApp(await buildApp(folder, 'embedded', 'commonjs'), database);
  const devices = new TwoDevices(`${app.url}/sync`, { 'x-user-id': 'alice' });
  await devices.start();
  const [project, label] = [{ name: 'Sync' }, { value: 'urgent' }];
  const projectId = await devices.create({ table: 'project', data: project });
  const labelId = await devices.create({ table: 'label', data: label });
  const link = { projectId, labelId, position: 1 };
  const linkId = await devices.create({ table: 'project_label', data: link });
  expect(await database.query('SELECT "projectId", "labelId", "syncId" FROM project_label')).toEqual([
    { projectId, labelId, syncId: linkId },
  ]);

  await devices.live(linkId, { table: 'project_label', data: link, column: 'position', values: [2, 3, 4] });
  expect(await database.query('SELECT FROM project_label')).toEqual([]);
  await devices.live(projectId, { table: 'project', data: project, column: 'name', values: ['a', 'b', 'c'] });
  expect(
    await database.query(
      'SELECT name FROM project WHERE "dateRemoved" IS NOT NULL AND "dateModified" > "dateCreated"',
    ),
  ).toEqual([{ name: 'b' }]);
  await stops();
});

function doctor(name: string, dataSource: string): Promise<string> {
  const options = ['--slot', database.slotName, '--publication', database.publicationName, '--json'];
  return command(folder, name, database, ['doctor', '-d', dataSource, ...options]);
}

/** The commands read the entities of a data source. */
async function diagnosed(name: string, dataSource: string, table: string): Promise<void> {
  expect(JSON.parse(await doctor(name, dataSource))).toMatchObject({ ok: true });
  const policies = await command(folder, name, database, ['rls', '-d', dataSource, '--role', 'my_app']);
  expect(policies).toContain(`CREATE POLICY "sync_read_${table}"`);
}

/** The app ends by itself when it is asked to, and has logged no error. */
async function stops(): Promise<void> {
  const output = app?.output();
  expect(output).not.toMatch(/ERROR/);
  expect((await app?.kill('SIGTERM'))?.signal).toBe('SIGTERM');
}
