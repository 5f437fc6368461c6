import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { SyncEngine } from 'nestjs-synchro';
import { caughtUp, SyncDevice, SyncDeviceError, type SendRequest } from 'nestjs-synchro/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startApp, type RunningApp } from '../support/app.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { insertTask, insertTasks, retitle, share, unshare } from '../support/sample-rows.js';

describe('the tools with which host teams test their rules', () => {
  let database: TestDatabase;
  let app: RunningApp;

  beforeAll(async () => {
    database = await createDatabase();
    app = await startApp({ database, adapter: new FastifyAdapter() });
  });

  afterAll(async () => {
    await app.close();
    await database.drop();
  });

  function device(userId: string, options: { pageSize?: number } = {}): SyncDevice {
    return new SyncDevice({ target: `${app.url}/sync/`, headers: { 'x-user-id': userId }, ...options });
  }

  it('shows what a user sees: a snapshot, then what changed, once the app has caught up', async () => {
    const [user, other] = [randomUUID(), randomUUID()];
    const [before, foreign] = [
      await insertTask(database, user, 'before'),
      await insertTask(database, other, 'x'),
    ];
    await caughtUp(app.app);
    const phone = device(user);
    await phone.start();
    expect([...phone.rows('tasks').keys()]).toEqual([before]);
    expect(phone.rows('tasks').get(before)).toMatchObject({ title: 'before', user_id: user });

    await retitle(database, before, 'after');
    await share(database, foreign, user);
    await caughtUp(app.app);
    expect(await phone.pull()).toBeNull();
    expect(phone.rows('tasks').get(before)).toMatchObject({ title: 'after' });
    expect(phone.rows('tasks').has(foreign)).toBe(true);

    await unshare(database, foreign, user);
    await database.query('UPDATE tasks SET deleted_at = now(), updated_at = now() WHERE id = $1', [before]);
    await caughtUp(app.app);
    await phone.pull();
    expect(phone.rows('tasks').size).toBe(0);
  });

  it('goes through all pages', async () => {
    const user = randomUUID();
    await insertTasks(database, user, 'first', 7);
    await caughtUp(app.app);
    const phone = device(user, { pageSize: 3 });
    await phone.start();
    expect(phone.rows('tasks').size).toBe(7);
    await insertTasks(database, user, 'second', 8);
    await caughtUp(app.app);
    await phone.pull();
    expect(phone.rows('tasks').size).toBe(15);
  });

  it('returns the verdict on each pushed change, in their order', async () => {
    const [user, other] = [randomUUID(), randomUUID()];
    const [phone, tablet] = [device(user), device(other)];
    await phone.start();
    await tablet.start();
    const id = randomUUID();
    expect(await phone.create('tasks', { user_id: user, title: 'mine' }, id)).toMatchObject({
      id,
      status: 'applied',
    });
    await caughtUp(app.app);
    await phone.pull();
    expect((await tablet.update('tasks', id, { title: 'stolen' })).status).toBe('rejected_terminal');
    expect((await phone.update('tasks', id, { title: 'changed' })).status).toBe('applied');
    const second = randomUUID();
    const verdicts = await phone.push([
      { table: 'tasks', id: second, operation: 'create', data: { user_id: user, title: 'second' } },
      { table: 'strangers', id: second, operation: 'create', data: {} },
      { table: 'tasks', id, operation: 'update', data: { title: 'late' }, at: new Date(0), base: null },
      { table: 'tasks', id: second, operation: 'update', data: { title: 'second, again' } },
    ]);
    expect(verdicts.map(({ status, reason_code: reason }) => reason ?? status)).toEqual([
      'applied',
      'table_not_registered',
      expect.stringMatching(/server/),
      'applied',
    ]);
    expect((await phone.delete('tasks', id)).status).toBe('applied');
    await caughtUp(app.app);
    await phone.pull();
    expect([...phone.rows('tasks').keys()]).toEqual([second]);
  });

  it('takes a snapshot when the server asks for one, and says why', async () => {
    const user = randomUUID();
    const phone = device(user);
    await phone.start();
    await database.query('UPDATE sync_clients SET snapshot_completed_at = NULL WHERE user_id = $1', [user]);
    const task = await insertTask(database, user, 'later');
    await caughtUp(app.app);
    expect(await phone.pull()).toBe('history_unavailable');
    expect([...phone.rows('tasks').keys()]).toEqual([task]);
  });

  it('hears of changes, by the live stream', async () => {
    const user = randomUUID();
    const phone = device(user);
    await phone.start();
    const live = await phone.live();
    await expect(live.poked({ timeout: 50 })).rejects.toThrow('no poke in 50 ms');
    const task = await insertTask(database, user, 'now');
    await live.poked();
    await phone.pull();
    expect([...phone.rows('tasks').keys()]).toEqual([task]);
    await app.app.get(SyncEngine).disconnect(user);
    await expect(live.poked()).rejects.toThrow('the server has ended the stream: unauthorized');
    live.close();
    await expect(device('stranger').live()).rejects.toThrow('live answered 404');
    const injected = new SyncDevice({ target: () => Promise.resolve({ status: 200, text: '' }) });
    expect(() => injected.live()).toThrow('a live stream needs a URL');
  });

  it('says what the server answered when it refuses', async () => {
    const nobody = new SyncDevice({ target: `${app.url}/sync` });
    const error: unknown = await nobody.start().catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(SyncDeviceError);
    expect(error).toMatchObject({ status: 401 });
    await expect(nobody.pull()).rejects.toThrow(/start\(\) or register\(\)/);
  });

  it('needs no port: requests can be injected', async () => {
    const user = randomUUID();
    const task = await insertTask(database, user, 'injected');
    await caughtUp(app.app);
    const inject: SendRequest = async ({ method, route, headers, body }) => {
      const answer = await (app.app as NestFastifyApplication).inject({
        method,
        url: `/sync/${route}`,
        headers,
        ...(body !== undefined && { body }),
      });
      return { status: answer.statusCode, text: answer.body };
    };
    const phone = new SyncDevice({ target: inject, headers: { 'x-user-id': user } });
    await phone.start();
    expect([...phone.rows('tasks').keys()]).toEqual([task]);
  });

  it('is an entry of the built package, with types, and needs nothing of the test runner', async () => {
    const script = `
      import { caughtUp, SyncDevice } from 'nestjs-synchro/testing';
      import { SyncEngine } from 'nestjs-synchro';
      console.log(typeof caughtUp, typeof SyncDevice, typeof SyncEngine);
      console.log(import.meta.resolve('nestjs-synchro/testing'));`;
    const node = promisify(execFile);
    const { stdout } = await node(process.execPath, ['--input-type=module', '-e', script], {
      cwd: fileURLToPath(new URL('../..', import.meta.url)),
    });
    const [types, entry = ''] = stdout.trim().split('\n');
    expect(types).toBe('function function function');
    expect(await readFile(new URL(entry.replace(/\.js$/, '.d.ts')), 'utf8')).toContain('SyncDevice');
  });
});
