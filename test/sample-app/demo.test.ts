import { randomUUID } from 'node:crypto';
import { SyncDevice } from 'nestjs-synchro/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { settingsFrom } from '../../sample-app/app.settings.js';
import { insertComment, insertTask } from '../support/sample-rows.js';
import { eventually } from '../support/wait.js';
import { startSampleApp, type SampleApp } from './sample-app.js';

const SECRET = 'a secret of at least thirty-two bytes';

let sample: SampleApp;
beforeAll(async () => {
  sample = await startSampleApp({ jwtSecret: SECRET, demo: { seed: true } });
});
afterAll(() => sample.close());

interface Answer {
  readonly status: number;
  readonly body: unknown;
}

async function call(method: string, path: string, body?: object, app: SampleApp = sample): Promise<Answer> {
  const response = await fetch(`${app.url}${path}`, {
    method,
    ...(body && { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
  });
  const text = await response.text();
  return { status: response.status, body: text === '' ? null : JSON.parse(text) };
}

async function tokenOf(user: string): Promise<string> {
  const { body } = await call('POST', '/demo/sign-in', { user });
  return (body as { token: string }).token;
}

async function deviceOf(user: string): Promise<SyncDevice> {
  const headers = { authorization: `Bearer ${await tokenOf(user)}` };
  const device = new SyncDevice({ target: `${sample.url}/sync`, headers });
  await device.start();
  return device;
}

async function titlesOf(device: SyncDevice): Promise<readonly unknown[]> {
  await device.pull();
  return [...device.rows('tasks').values()].map(({ title }) => title);
}

describe('the page’s sign-in', () => {
  it('hands out tokens of its users that the sync routes take', async () => {
    const bob = await deviceOf('bob');
    await eventually(async () => expect(await titlesOf(bob)).toEqual(['Water the plants']));
  });

  it('hands out none of anybody else', async () => {
    expect((await call('POST', '/demo/sign-in', { user: 'carol' })).status).toBe(400);
    expect((await call('POST', '/demo/sign-in', {})).status).toBe(400);
  });

  it('says that there is none where the app takes the user from the header', async () => {
    const open = await startSampleApp({ demo: {} });
    expect((await call('POST', '/demo/sign-in', { user: 'bob' }, open)).body).toEqual({ token: null });
    await open.close();
  });

  it('does not exist in production, nor does anything else of the page', async () => {
    const settings = { DATABASE_URL: 'postgres://db', JWT_SECRET: SECRET };
    expect(settingsFrom({ ...settings }, '').demo).toEqual({ seed: false });
    expect(settingsFrom({}, '').demo).toEqual({ seed: true });
    const { demo } = settingsFrom({ ...settings, NODE_ENV: 'production' }, '');
    const production = await startSampleApp({ jwtSecret: SECRET, demo });
    for (const [method, path] of [
      ['POST', '/demo/sign-in'],
      ['GET', '/demo/tasks'],
      ['GET', '/demo/time-line'],
      ['GET', '/'],
    ] as const) {
      expect(await call(method, path, undefined, production)).toMatchObject({ status: 404 });
    }
    await production.close();
  });
});

describe('the controller of tasks', () => {
  it('changes tasks with TypeORM alone, and devices have it', async () => {
    const alice = await deviceOf('alice');
    const { body } = await call('POST', '/demo/tasks', { user: 'alice', title: 'New' });
    const { id } = body as { id: string };
    await eventually(async () => expect(await titlesOf(alice)).toContain('New'));
    expect((await call('PATCH', `/demo/tasks/${id}`, { title: 'Renamed' })).status).toBe(204);
    await eventually(async () => expect(await titlesOf(alice)).toContain('Renamed'));
    expect((await call('DELETE', `/demo/tasks/${id}`)).status).toBe(204);
    await eventually(async () => expect(await titlesOf(alice)).not.toContain('Renamed'));
  });

  it('shares a task and takes it back', async () => {
    const bob = await deviceOf('bob');
    const { body } = await call('POST', '/demo/tasks', { user: 'alice', title: 'Shared' });
    const { id } = body as { id: string };
    expect((await call('PUT', `/demo/tasks/${id}/shares`, { user: 'bob', canEdit: true })).status).toBe(204);
    await eventually(async () => expect(await titlesOf(bob)).toContain('Shared'));
    const shares = [{ user: 'bob', canEdit: true }];
    expect((await call('GET', '/demo/tasks')).body).toContainEqual({
      id,
      user: 'alice',
      title: 'Shared',
      shares,
    });
    expect((await call('DELETE', `/demo/tasks/${id}/shares/bob`)).status).toBe(204);
    await eventually(async () => expect(await titlesOf(bob)).not.toContain('Shared'));
  });

  it('reaches no task of anybody else', async () => {
    const id = await insertTask(sample.database, 'carol', 'Carol’s own');
    expect((await call('PATCH', `/demo/tasks/${id}`, { title: 'x' })).status).toBe(404);
    expect((await call('DELETE', `/demo/tasks/${id}`)).status).toBe(404);
    expect((await call('PUT', `/demo/tasks/${id}/shares`, { user: 'bob', canEdit: true })).status).toBe(404);
    expect(JSON.stringify((await call('GET', '/demo/tasks')).body)).not.toContain('Carol');
    expect(JSON.stringify((await call('GET', '/demo/time-line')).body)).not.toContain('Carol');
  });

  it('refuses what is no task', async () => {
    expect((await call('POST', '/demo/tasks', { user: 'alice', title: '' })).status).toBe(400);
    expect((await call('POST', '/demo/tasks', { user: 'carol', title: 'x' })).status).toBe(400);
    expect((await call('PATCH', `/demo/tasks/${randomUUID()}`, { title: 'x' })).status).toBe(404);
    expect((await call('PATCH', '/demo/tasks/1', { title: 'x' })).status).toBe(400);
  });
});

interface Entry {
  readonly seq: number;
  readonly firstSeq: number;
  readonly committedAt: number | null;
  readonly loggedAt: number;
  readonly records: readonly { readonly id: string; readonly isDelete: boolean; readonly label: string }[];
}

const read = async (after: number): Promise<{ now: number; entries: readonly Entry[] }> =>
  (await call('GET', `/demo/time-line?after=${after}`)).body as { now: number; entries: readonly Entry[] };
const head = async (): Promise<number> => (await read(0)).entries.at(-1)?.seq ?? 0;
const tracks = async (): Promise<boolean> => {
  const [row] = await sample.database.query<{ track_commit_timestamp: string }>(
    'SHOW track_commit_timestamp',
  );
  return row?.track_commit_timestamp === 'on';
};

describe('the time line', () => {
  it('has what was committed before it is asked, in the log’s order, with the titles', async () => {
    const before = await head();
    const { body } = await call('POST', '/demo/tasks', { user: 'alice', title: 'First' });
    await call('POST', '/demo/tasks', { user: 'bob', title: 'Second' });
    const { now, entries } = await read(before);
    const records = entries.flatMap((entry) => entry.records);
    expect(records.map(({ label }) => label)).toEqual(['First', 'Second']);
    expect(records[0]?.id).toBe((body as { id: string }).id);
    for (const { seq, firstSeq, loggedAt } of entries) {
      expect(firstSeq).toBeGreaterThan(before);
      expect(seq).toBeGreaterThanOrEqual(firstSeq);
      expect(loggedAt).toBeLessThanOrEqual(now);
    }
  });

  it('knows the time of a commit where PostgreSQL tracks it, and guesses none of a change without a row', async () => {
    const { body } = await call('POST', '/demo/tasks', { user: 'alice', title: 'Timed' });
    const { id } = body as { id: string };
    await call('PUT', `/demo/tasks/${id}/shares`, { user: 'bob', canEdit: false });
    const before = await head();
    await call('DELETE', `/demo/tasks/${id}/shares/bob`);
    const [unshared] = (await read(before)).entries;
    expect(unshared).toMatchObject({ committedAt: null, records: [{ id, isDelete: true, label: 'Timed' }] });
    await call('PATCH', `/demo/tasks/${id}`, { title: 'Timed again' });
    const renamed = (await read(unshared?.seq ?? 0)).entries[0];
    if (!(await tracks())) {
      expect(renamed?.committedAt).toBeNull();
      return;
    }
    // A comment is logged for more buckets than one.
    await insertComment(sample.database, id, 'Timed, too');
    const commented = (await read(renamed?.seq ?? 0)).entries[0];
    expect(commented?.records).toMatchObject([{ label: 'Timed, too' }]);
    expect(commented?.committedAt).toBeLessThanOrEqual(commented?.loggedAt ?? 0);
    expect(renamed?.committedAt).toBeGreaterThan(unshared?.loggedAt ?? Infinity);
    expect(renamed?.committedAt).toBeLessThanOrEqual(renamed?.loggedAt ?? 0);
  });
});

describe('the page', () => {
  it('is at the root, and leaves all other paths to the app', async () => {
    const page = await fetch(`${sample.url}/`);
    expect(page.status).toBe(200);
    expect(await page.text()).toContain('<title>nestjs-synchro</title>');
    expect(await call('GET', '/sync/nothing')).toMatchObject({ status: 404 });
    expect(await call('GET', '/nothing')).toMatchObject({ status: 404 });
    expect((await call('GET', '/healthz')).body).toEqual({ status: 'ok' });
  });
});
