import { AsyncLocalStorage } from 'node:async_hooks';
import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { promisify } from 'node:util';
import { Injectable, Logger, type DynamicModule, type ExecutionContext, type Type } from '@nestjs/common';
import { APP_GUARD, NestFactory } from '@nestjs/core';
import { ExecutionContextHost } from '@nestjs/core/helpers/execution-context-host.js';
import { TerminusModule } from '@nestjs/terminus';
import { getDataSourceToken } from '@nestjs/typeorm';
import { SignJWT } from 'jose';
import {
  BeforeApply,
  OwnershipResolver,
  SynchroModule,
  SyncStatus,
  UserIdHeaderGuard,
  type EntityClass,
} from 'nestjs-synchro';
import { SyncDevice, SyncDeviceError, type DeviceVerdict } from 'nestjs-synchro/testing';
import { DataSource } from 'typeorm';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import type { PostgresServer } from '../../sample-app/postgres/server.js';
import { startAppProcess } from '../support/app-process.js';
import { withClient } from '../support/client.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import {
  createTables,
  load,
  startReadmeServer,
  withHost,
  type HostOptions,
  type ReadmeHost,
} from '../support/readme-host.js';
import {
  compileReadme,
  readPages,
  snippetsOf,
  type CompiledReadme,
  type Snippet,
} from '../support/readme.js';
import { eventually } from '../support/wait.js';
import { send } from '../support/wire.js';
import { examine } from '../../lib/operations/doctor/doctor.js';

/** Without a listener, a SIGTERM ends the process at once, and no provider hears of it. */
const TELL_OF_SIGTERM = `--import=data:text/javascript,process.on('newListener',(e)=>e==='SIGTERM'&&console.log('heeds\\x20SIGTERM'))`;
const SECRET = 'a secret of at least thirty-two bytes';

let snippets: readonly Snippet[];
let readme: CompiledReadme;
let server: PostgresServer;
let Task: EntityClass;
const ran = new Set<string>();

beforeAll(async () => {
  vi.stubEnv('JWT_SECRET', SECRET);
  const all = (await readPages()).flatMap((page) => snippetsOf(page));
  // The client's are compiled by its own tests, with another target and JSX.
  snippets = all.filter(({ name }) => !name.startsWith('web/'));
  readme = await compileReadme(snippets);
  server = await startReadmeServer();
  ({ Task } = await example<{ Task: EntityClass }>('tasks/task.entity.ts'));
});

afterEach(() => {
  vi.restoreAllMocks();
});

afterAll(async () => {
  vi.unstubAllEnvs();
  server?.destroySync();
  await readme?.remove();
});

async function example<Exports>(file: string, query = ''): Promise<Exports> {
  ran.add(file);
  return load<Exports>(readme, file.replace(/\.ts$/, '.js'), query);
}

function script(file: string): string {
  ran.add(file);
  return readme.path(file.replace(/\.ts$/, '.js'));
}

function sql(name: string): string {
  ran.add(name);
  return snippets.find((snippet) => snippet.kind === 'sql' && snippet.name === name)?.code ?? '';
}

interface Sync {
  readonly sync: DynamicModule;
}

function withSync(
  { sync }: Sync,
  options: Partial<HostOptions>,
  work: (host: ReadmeHost) => Promise<void>,
): Promise<void> {
  return withHost(server, sync, { entities: [Task], ...options }, work);
}

/** A module with the only guard that does nothing but say who is asking, and a rule of the example's. */
async function headerSync(): Promise<Sync> {
  return example<Sync>('operating/compaction.ts');
}

function token(claims: Readonly<Record<string, unknown>>): Promise<string> {
  return new SignJWT({ iss: 'https://login.example.com', aud: 'tasks', ...claims })
    .setProtectedHeader({ alg: 'HS256' })
    .setExpirationTime('1h')
    .sign(new TextEncoder().encode(SECRET));
}

async function statusOf(url: string, headers: Record<string, string>): Promise<number> {
  return (await send(url, { headers })).status;
}

const node = promisify(execFile);

/** How writes of devices end, one after the other. */
async function reasons(...writes: (() => Promise<DeviceVerdict>)[]): Promise<readonly unknown[]> {
  const found: unknown[] = [];
  for (const write of writes) {
    const { status, reason_code } = await write();
    found.push(reason_code ?? status);
  }
  return found;
}

it('the examples compile with the project’s settings', () => {
  expect(readme.problems).toEqual([]);
});

describe('adding it to an app', () => {
  let database: TestDatabase;
  let url: string;

  beforeAll(async () => {
    database = await createDatabase(server.url);
    await database.query("CREATE ROLE my_app LOGIN PASSWORD 'secret'");
    await database.query(`ALTER DATABASE ${database.name} OWNER TO my_app`);
    await database.query('GRANT CREATE ON SCHEMA public TO my_app');
    const asApp = new URL(database.url);
    asApp.username = 'my_app';
    asApp.password = 'secret';
    url = asApp.href;
  });

  afterAll(() => database.drop());

  const env = (): Record<string, string> => ({ DATABASE_URL: url });

  it('the server gets its setting, and the role its right', async () => {
    await withClient(database.url, async (client) => {
      for (const statement of sql('server').split(/;.*$/m))
        if (statement.trim()) await client.query(statement);
    });
    const settings = await database.query(
      `SELECT setting, error FROM pg_file_settings WHERE name = 'wal_level' AND sourcefile LIKE '%auto.conf'`,
    );
    expect(settings).toEqual([{ setting: 'logical', error: null }]);
    const roles = await database.query(
      `SELECT rolreplication, rolsuper FROM pg_roles WHERE rolname = 'my_app'`,
    );
    expect(roles).toEqual([{ rolreplication: true, rolsuper: false }]);
  });

  it('the app starts in that role, two devices sync, and it leaves its slot free', async () => {
    await createTables(url, [Task]);
    ran.add('app.module.ts');
    const app = await startAppProcess({
      main: script('main.ts'),
      env: { ...env(), NODE_OPTIONS: TELL_OF_SIGTERM },
    });
    expect(app.output()).toContain('heeds SIGTERM');
    const SYNC_URL = `${app.url.replace('[::1]', 'localhost')}/sync`;
    const { stdout } = await node(process.execPath, [script('first-device.ts')], {
      env: { ...process.env, SYNC_URL },
    });
    expect(stdout).toContain(`status: 'applied'`);
    expect(stdout).toMatch(/title: 'Buy milk'[^]*user_id: 'alice'|user_id: 'alice'[^]*title: 'Buy milk'/);
    expect(await app.kill('SIGTERM')).toEqual({ code: null, signal: 'SIGTERM' });
    const slots = await database.query('SELECT slot_name, active FROM pg_replication_slots');
    expect(slots).toEqual([{ slot_name: `synchro_${database.name}`, active: false }]);
  });

  it('the doctor has nothing against its entity [W-SDK-7]', async () => {
    const dataSource = await new DataSource({ type: 'postgres', url, entities: [Task] }).initialize();
    try {
      const problems = await examine(dataSource);
      expect(problems.filter(({ isAdvice }) => !isAdvice)).toEqual([]);
      expect(problems.map(({ code }) => code)).toEqual(['updated_at_stale']);
    } finally {
      await dataSource.destroy();
    }
  });

  it('the policies are made by a migration', async () => {
    vi.stubEnv('DATABASE_URL', url);
    const { dataSource } = await example<{ dataSource: DataSource }>('data-source.ts');
    await dataSource.initialize();
    try {
      expect(await dataSource.runMigrations()).toHaveLength(2);
      const policies = `SELECT policyname, cmd, roles::text FROM pg_policies WHERE tablename = 'tasks' ORDER BY 1`;
      expect(await dataSource.query(policies)).toEqual([
        { policyname: 'sync_read_tasks', cmd: 'SELECT', roles: '{my_app}' },
        { policyname: 'sync_write_del_tasks', cmd: 'DELETE', roles: '{my_app}' },
        { policyname: 'sync_write_ins_tasks', cmd: 'INSERT', roles: '{my_app}' },
        { policyname: 'sync_write_upd_tasks', cmd: 'UPDATE', roles: '{my_app}' },
      ]);
    } finally {
      await dataSource.destroy();
    }
  });

  it('a test of the host’s goes through', async () => {
    const { stdout } = await node(process.execPath, ['--test', script('testing/tasks.test.ts')], {
      env: { PATH: process.env['PATH'], ...env() },
    });
    expect(stdout).toMatch(/pass 1\n[^]*fail 0\n/);
  });
});

describe('the user of a request', () => {
  it('an SDK is let in, which sends a token and nothing else', async () => {
    await withSync(await example<Sync>('sdk/sync.ts'), {}, async ({ url: target, device, database: own }) => {
      const made = await node(process.execPath, [script('dev-token.ts'), 'carol'], {
        env: { ...process.env, JWT_SECRET: SECRET },
      });
      const authorization = `Bearer ${made.stdout.trim()}`;
      expect(await statusOf(`${target}/sync/schema`, { authorization })).toBe(200);
      expect(await statusOf(`${target}/sync/schema`, { 'x-user-id': 'carol' })).toBe(401);
      const phone = await device('carol', { authorization });
      await phone.create('tasks', { title: 'mine' });
      expect(await own.query('SELECT user_id FROM tasks')).toEqual([{ user_id: 'carol' }]);
    });
  });

  it('the smallest integration syncs a device that has a token', async () => {
    const own = await createDatabase(server.url);
    vi.stubEnv('DATABASE_URL', own.url);
    ran.add('smallest/task.entity.ts');
    const { AppModule } = await example<{ AppModule: Type }>('smallest/app.module.ts');
    const app = await NestFactory.create(AppModule, { logger: ['error', 'fatal'] });
    try {
      await app.listen(0);
      const authorization = `Bearer ${await token({ sub: 'alice' })}`;
      const phone = new SyncDevice({ target: `${await app.getUrl()}/sync`, headers: { authorization } });
      await phone.start();
      expect((await phone.create('tasks', { title: 'Buy milk' })).status).toBe('applied');
      expect(await own.query('SELECT title, user_id FROM tasks')).toEqual([
        { title: 'Buy milk', user_id: 'alice' },
      ]);
    } finally {
      await app.close();
      await own.drop();
    }
  });

  it('JwtGuard admits the user of a token', async () => {
    await withSync(await example<Sync>('identity/jwt.ts'), {}, async ({ url, device }) => {
      const phone = await device('alice', { authorization: `Bearer ${await token({ sub: 'alice' })}` });
      const { id } = await phone.create('tasks', { title: 'mine' });
      const authorization = `Bearer ${await token({ sub: 'alice', aud: 'another app' })}`;
      expect(await statusOf(`${url}/sync/schema`, { authorization })).toBe(401);
      expect(await statusOf(`${url}/sync/schema`, {})).toBe(401);
      expect(id).toMatch(/^[0-9a-f-]{36}$/);
    });
  });

  it('a guard of the host’s gets what it needs, and userId reads what it left', async () => {
    await withSync(await example<Sync>('identity/own-guard.ts'), {}, async ({ url, device, database }) => {
      const phone = await device('alice', { 'x-session': 'secret-of-alice' });
      await phone.create('tasks', { title: 'mine' });
      expect(await database.query('SELECT user_id FROM tasks')).toEqual([{ user_id: 'alice' }]);
      expect(await statusOf(`${url}/sync/schema`, { 'x-session': 'another' })).toBe(401);
    });
  });

  it('passport says who is asking, by a number', async () => {
    await withSync(await example<Sync>('identity/passport.ts'), {}, async ({ url, device, database }) => {
      const authorization = `Bearer ${await token({ id: 7 })}`;
      const phone = await device('', { authorization });
      await phone.create('tasks', { title: 'mine' });
      expect(await database.query('SELECT user_id FROM tasks')).toEqual([{ user_id: '7' }]);
      expect(await statusOf(`${url}/sync/schema`, {})).toBe(401);
      expect(await statusOf(`${url}/sync/schema`, { authorization: `${authorization}x` })).toBe(401);
    });
  });

  it('a throttler of the whole app leaves sync out, or gives it a rate of its own', async () => {
    interface Throttled extends Sync {
      readonly RateModule: Type;
      readonly rated: DynamicModule;
    }
    const { sync, rated, RateModule } = await example<Throttled>('identity/throttler.ts');
    const host = { imports: [RateModule] };
    const headers = { 'x-user-id': 'alice' };
    const statuses = async (url: string, count: number): Promise<readonly number[]> => {
      const found: number[] = [];
      for (let n = 0; n < count; n++) found.push(await statusOf(`${url}/sync/schema`, headers));
      return found;
    };
    await withSync({ sync }, { host }, async ({ url }) => {
      expect(new Set(await statuses(url, 20))).toEqual(new Set([200]));
    });
    await withSync({ sync: rated }, { host }, async ({ url }) => {
      expect(new Set(await statuses(url, 100))).toEqual(new Set([200]));
      const { status, headers: given, json } = await send(`${url}/sync/schema`, { headers });
      expect(status).toBe(429);
      const seconds = Number(given.get('retry-after'));
      expect(seconds).toBeGreaterThan(0);
      expect(seconds).toBeLessThanOrEqual(60);
      expect(json).toMatchObject({ retry_after: seconds });
      expect(await statusOf(`${url}/sync/tables`, headers)).toBe(200);
    });
  });

  it('a guard of an app that is GraphQL otherwise knows the sync routes', async () => {
    interface Guarded extends Sync {
      readonly EveryRequestGuard: Type<{ getRequest(context: ExecutionContext): unknown }>;
    }
    const { sync, EveryRequestGuard } = await example<Guarded>('identity/graphql.ts');
    const { AuthModule } = await example<{ readonly AuthModule: Type }>('identity/passport.ts');
    const host = { imports: [AuthModule], providers: [{ provide: APP_GUARD, useClass: EveryRequestGuard }] };
    await withSync({ sync }, { host }, async ({ url }) => {
      const authorization = `Bearer ${await token({ id: 7 })}`;
      expect(await statusOf(`${url}/sync/schema`, { authorization })).toBe(200);
      expect(await statusOf(`${url}/sync/schema`, {})).toBe(401);
    });
    const req = { headers: {} };
    const resolving = new ExecutionContextHost([undefined, {}, { req }]);
    resolving.setType('graphql');
    expect(new EveryRequestGuard().getRequest(resolving)).toBe(req);
  });

  it('a guard of the whole app says who is asking, or lets the sync routes pass', async () => {
    interface Guarded extends Sync {
      readonly AccountsModule: Type;
      readonly syncByToken: DynamicModule;
    }
    const { sync, syncByToken, AccountsModule } = await example<Guarded>('identity/app-guard.ts');
    const host = { imports: [AccountsModule] };
    await withSync({ sync }, { host }, async ({ url, device, database }) => {
      const phone = await device('', { 'x-account': '7' });
      await phone.create('tasks', { title: 'mine' });
      expect(await database.query('SELECT user_id FROM tasks')).toEqual([{ user_id: '7' }]);
      expect(await statusOf(`${url}/sync/schema`, {})).toBe(401);
    });
    await withSync({ sync: syncByToken }, { host }, async ({ url }) => {
      const authorization = `Bearer ${await token({ sub: 'alice' })}`;
      expect(await statusOf(`${url}/sync/schema`, { authorization })).toBe(200);
      expect(await statusOf(`${url}/sync/schema`, { 'x-account': '7' })).toBe(401);
    });
  });

  it('forRootAsync takes its settings and its secret from a service', async () => {
    await withSync(await example<Sync>('identity/async.ts'), {}, async ({ url, device }) => {
      const authorization = `Bearer ${await token({ sub: 'alice' })}`;
      const headers = { authorization, 'x-app-version': '1.2.0' };
      await expect(device('alice', headers)).rejects.toMatchObject({ status: 426 });
      expect(await statusOf(`${url}/sync/schema`, headers)).toBe(200);
      expect(await statusOf(`${url}/sync/schema`, { ...headers, 'x-app-version': '1.1.9' })).toBe(426);
      expect(await statusOf(`${url}/sync/schema`, { 'x-app-version': '1.2.0' })).toBe(401);
    });
  });

  it('RetryAfterGuard answers when to come back, in header and body', async () => {
    interface Load {
      limitExceeded: boolean;
      maintenance: boolean;
    }
    const exported = await example<Sync & { Load: Type<Load> }>('identity/backpressure.ts');
    await withSync(exported, {}, async ({ url, app }) => {
      const target = app.get<Load>(exported.Load, { strict: false });
      const headers = { 'x-user-id': 'alice' };
      const answer = async (): Promise<unknown> => {
        const { status, headers: given, json } = await send(`${url}/sync/schema`, { headers });
        return [status, given.get('retry-after'), (json as { retry_after?: number }).retry_after];
      };
      expect(await answer()).toEqual([200, null, undefined]);
      target.maintenance = true;
      expect(await answer()).toEqual([503, '300', 300]);
      target.limitExceeded = true;
      expect(await answer()).toEqual([429, '60', 60]);
      target.limitExceeded = target.maintenance = false;
      await app.get<DataSource>(getDataSourceToken()).destroy();
      expect(await answer()).toEqual([503, '10', 10]);
    });
  });

  it('a subclass of the controller has its own route and guards', async () => {
    const { MobileSyncController, ...exported } = await example<Sync & { MobileSyncController: Type }>(
      'identity/own-controller.ts',
    );
    await withSync(exported, { host: { controllers: [MobileSyncController] } }, async ({ url }) => {
      const target = `${url}/mobile/acme/sync`;
      const phone = new SyncDevice({ target, headers: { 'x-account': 'alice' } });
      await phone.start();
      expect((await phone.create('tasks', { title: 'mine' })).status).toBe('applied');
      expect(await statusOf(`${target}/schema`, { 'x-user-id': 'alice' })).toBe(401);
      expect(await statusOf(`${url}/sync/schema`, { 'x-account': 'alice' })).toBe(404);
    });
  });
});

const TABLES = ['tasks', 'comments', 'tags', 'categories'];

function seen(phone: SyncDevice): readonly number[] {
  return TABLES.map((table) => phone.rows(table).size);
}

async function makeBucketFunction(database: TestDatabase): Promise<void> {
  await database.query(sql('bucket-function'));
}

/** As the page says, in place of what TypeORM has made. */
async function addSyncIds(database: TestDatabase): Promise<void> {
  for (const table of ['notes', 'note_labels']) {
    await database.query(`ALTER TABLE ${table} DROP COLUMN sync_id CASCADE`);
    await database.query(sql('sync-id').replaceAll('notes', table));
  }
}

/** As the page says, with a row that was there before. */
async function migrateNotes(database: TestDatabase): Promise<void> {
  await database.query('ALTER TABLE note DROP COLUMN sync_id, DROP COLUMN "updatedAt"');
  await database.query(`INSERT INTO "user" (email, password) VALUES ('a@b.c', 'x')`);
  await database.query(`INSERT INTO note (text, "userId") VALUES ('old', 1)`);
  await database.query(sql('adoption'));
}

async function makeSearchIndex(database: TestDatabase): Promise<void> {
  await database.query('CREATE TABLE search_index (task_id text)');
  await database.query(
    `CREATE FUNCTION rebuild_task_search_index(id text) RETURNS void LANGUAGE sql
       AS 'INSERT INTO search_index VALUES (id)'`,
  );
}

describe('tables and rules', () => {
  it('the four tables have their buckets and their owners', async () => {
    const { Comment, Category, Tag } = await example<Record<string, EntityClass>>('tables/entities.ts');
    ran.add('synced-row.ts');
    const entities = [Task, Comment, Category, Tag].filter((entity) => entity !== undefined);
    await withSync(await headerSync(), { entities }, async ({ device, database, caughtUp }) => {
      const [alice, bob] = [await device('alice'), await device('bob')];
      const task = await alice.create('tasks', { title: 'a task' });
      const comment = await alice.create('comments', { task_id: task.id, body: 'a comment' });
      const mine = await alice.create('tags', { name: 'mine' });
      await database.query(`INSERT INTO tags (name) VALUES ('of all')`);
      await database.query(`INSERT INTO categories (name) VALUES ('a category')`);
      await caughtUp();
      await alice.pull();
      await bob.pull();
      expect(seen(alice)).toEqual([1, 1, 2, 1]);
      expect(seen(bob)).toEqual([0, 0, 1, 1]);
      const edges = await database.query(
        'SELECT bucket_id FROM sync_bucket_edges WHERE record_id = ANY($1) ORDER BY record_id = $2, bucket_id',
        [[comment.id, mine.id], mine.id],
      );
      expect(edges.map((edge) => edge['bucket_id'])).toEqual([`task:${task.id}`, 'user:alice', 'user:alice']);
      expect(await bob.create('categories', { name: 'no' })).toMatchObject({ status: 'rejected_terminal' });
    });
  });

  it('the table of an app that was there before is synced by its migration and its entity', async () => {
    const { Note, User } = await example<Record<string, EntityClass>>('adoption/note.entity.ts');
    const entities = [Note, User].filter((entity) => entity !== undefined);
    await withSync(
      await headerSync(),
      { entities, prepare: migrateNotes },
      async ({ device, database, caughtUp }) => {
        const [phone, tablet] = [await device('1'), await device('1')];
        expect([...phone.rows('note').values()]).toMatchObject([{ id: 1, text: 'old', userId: 1 }]);
        const { id } = await phone.create('note', { text: 'new' });
        await caughtUp();
        await tablet.pull();
        expect(tablet.rows('note').get(id)).toMatchObject({ id: 2, text: 'new', userId: 1 });
        await tablet.delete('note', id);
        expect(await database.query('SELECT text FROM note')).toEqual([{ text: 'old' }]);
      },
    );
  });

  it('a table with a serial key and a link table are known by an id beside their key', async () => {
    const { Note, Attachment, NoteLabel } = await example<Record<string, EntityClass>>('keys/entities.ts');
    const entities = [Note, Attachment, NoteLabel].filter((entity) => entity !== undefined);
    await withSync(
      await headerSync(),
      { entities, prepare: addSyncIds },
      async ({ device, database, caughtUp }) => {
        const [phone, tablet] = [await device('7'), await device('7')];
        const note = await phone.create('notes', { body: 'a note' });
        await phone.create('attachments', { note_sync_id: note.id });
        const label = await phone.create('note_labels', { note_sync_id: note.id, label: 'red' });
        await caughtUp();
        await tablet.pull();
        expect(tablet.rows('notes').get(note.id)).toMatchObject({ id: 1, user_id: 7, body: 'a note' });
        expect(tablet.rows('note_labels').get(label.id)).toMatchObject({ label: 'red' });
        await tablet.delete('notes', note.id);
        await caughtUp();
        await phone.pull();
        expect(phone.rows('notes').size + phone.rows('attachments').size).toBe(0);
        expect(await database.query('SELECT FROM notes')).toEqual([]);
      },
    );
  });

  it('SharingResolver shares a task, and takes it back', async () => {
    const {
      Task: Shared,
      TaskShare,
      ...exported
    } = await example<Sync & { Task: EntityClass; TaskShare: EntityClass }>('sharing/sharing.ts');
    await withSync(exported, { entities: [Shared, TaskShare] }, async ({ device, database, caughtUp }) => {
      const [alice, bob] = [await device('alice'), await device('bob')];
      const { id } = await alice.create('tasks', { title: 'ours' });
      await database.query(`INSERT INTO task_shares (task_id, shared_with_user_id) VALUES ($1, 'bob')`, [id]);
      await caughtUp();
      await bob.pull();
      expect([...bob.rows('tasks').keys()]).toEqual([id]);
      expect((await bob.update('tasks', id, { title: 'his' })).status).toBe('rejected_terminal');
      await database.query('DELETE FROM task_shares');
      await caughtUp();
      await bob.pull();
      expect(bob.rows('tasks').size).toBe(0);
    });
  });

  it('TeamSubscriptions brings a team’s rows to who joins, and takes them from who leaves', async () => {
    const { Project, TeamMember, ...exported } = await example<
      Sync & { Project: EntityClass; TeamMember: EntityClass }
    >('teams/teams.ts');
    await withSync(exported, { entities: [Project, TeamMember] }, async ({ device, database, caughtUp }) => {
      const [alice, bob] = [await device('alice'), await device('bob')];
      await database.query(`INSERT INTO team_members (team_id, user_id) VALUES ('red', 'alice')`);
      const { id } = await alice.create('projects', { name: 'Roof', team_id: 'red' });
      const pulls = async (): Promise<readonly string[]> => {
        // The pull tells of the new subscription, and what that leads to comes with the next one.
        await bob.pull();
        await caughtUp();
        await bob.pull();
        return [...bob.rows('projects').keys()];
      };
      expect(await pulls()).toEqual([]);
      await database.query(`INSERT INTO team_members (team_id, user_id) VALUES ('red', 'bob')`);
      expect(await pulls()).toEqual([id]);
      await database.query(`DELETE FROM team_members WHERE user_id = 'bob'`);
      expect(await pulls()).toEqual([]);
    });
  });

  it('TeamSubscriptions takes no project from who is in no team [W-LOAD-17]', async () => {
    const { Project, TeamMember, ...exported } = await example<
      Sync & { Project: EntityClass; TeamMember: EntityClass }
    >('teams/teams.ts');
    await withSync(exported, { entities: [Project, TeamMember] }, async ({ device, database }) => {
      const eve = await device('eve');
      const verdict = await eve.create('projects', { name: 'Spam', team_id: 'red' });
      expect(verdict).toMatchObject({ status: 'rejected_terminal', reason_code: 'bucket_not_readable' });
      expect(await database.query('SELECT FROM projects')).toEqual([]);
    });
  });

  it('the bucket function says who reads a document', async () => {
    const { Document } = await example<{ Document: EntityClass }>('functions/document.entity.ts');
    const options = { entities: [Document], prepare: makeBucketFunction };
    await withSync(await headerSync(), options, async ({ device, caughtUp }) => {
      const [alice, bob] = [await device('alice'), await device('bob')];
      const { id } = await alice.create('documents', { readers: '["bob"]' });
      await alice.create('documents', { readers: '[]' });
      await caughtUp();
      await alice.pull();
      await bob.pull();
      expect([...bob.rows('documents').keys()]).toEqual([id]);
      expect(alice.rows('documents').size).toBe(2);
    });
  });

  it('PerTableResolver decides by table, and falls back', async () => {
    const { Tag } = await example<{ Tag: EntityClass }>('tables/entities.ts');
    const exported = await example<Sync>('conflicts/conflicts.ts');
    await withSync(exported, { entities: [Task, Tag] }, async ({ device, database }) => {
      const alice = await device('alice');
      const later = new Date(Date.now() + 3600_000);
      const task = await alice.create('tasks', { title: 'as it was' });
      const tag = await alice.create('tags', { name: 'as it was' });
      const edit = { operation: 'update', at: later, base: null } as const;
      const verdicts = await alice.push([
        { ...edit, table: 'tasks', id: task.id, data: { title: '' } },
        { ...edit, table: 'tags', id: tag.id, data: { name: 'changed' } },
      ]);
      expect(verdicts.map(({ message }) => message)).toEqual([
        'a task keeps its title',
        'server always wins',
      ]);
      await alice.push([{ ...edit, table: 'tasks', id: task.id, data: { title: 'changed' } }]);
      expect(await database.query('SELECT title FROM tasks')).toEqual([{ title: 'changed' }]);
    });
  });
});

describe('who may write', () => {
  it('members of a shared list read it, editors write it, and former ones do neither', async () => {
    const { List, Item, ListMember, ...exported } = await example<
      Sync & { List: EntityClass; Item: EntityClass; ListMember: EntityClass }
    >('shared-list/shared-list.ts');
    const entities = [List, Item, ListMember];
    await withSync(exported, { entities }, async ({ device, database, caughtUp }) => {
      const [alice, bob] = [await device('alice'), await device('bob')];
      const list = await alice.create('lists', { title: 'food' });
      const item = await alice.create('items', { list_id: list.id, text: 'bread' });
      const held = async (): Promise<readonly string[]> => {
        // The pull tells of the new subscription, and what that leads to comes with the next one.
        for (let pulls = 0; pulls < 2; pulls++) {
          await caughtUp();
          await bob.pull();
        }
        return [...bob.rows('lists').keys(), ...bob.rows('items').keys()];
      };
      const write = (text: string): Promise<DeviceVerdict> => bob.update('items', item.id, { text });
      const create = (): Promise<DeviceVerdict> => bob.create('items', { list_id: list.id, text: 'milk' });
      expect(await held()).toEqual([]);
      expect(await reasons(() => write('x'), create)).toEqual(['record_not_found', 'parent_missing']);
      await database.query(`INSERT INTO list_members VALUES ($1, 'bob', false)`, [list.id]);
      expect(await held()).toEqual([list.id, item.id]);
      expect(await reasons(() => write('x'), create)).toEqual(['ownership_violation', 'ownership_violation']);
      await database.query('UPDATE list_members SET can_edit = true');
      expect(await reasons(() => write('rolls'), create)).toEqual(['applied', 'applied']);
      await caughtUp();
      await alice.pull();
      const texts = new Set([...alice.rows('items').values()].map(({ text }) => text));
      expect(texts).toEqual(new Set(['milk', 'rolls']));
      await database.query('DELETE FROM list_members');
      expect(
        await reasons(
          () => write('forged'),
          () => bob.delete('lists', list.id),
        ),
      ).toEqual(['record_not_found', 'record_not_found']);
      expect(await held()).toEqual([]);
    });
  });

  it('the roles of a team say who writes and deletes, and the projects of a former member stay with the team', async () => {
    const { Project, TeamMember, ...exported } = await example<
      Sync & { Project: EntityClass; TeamMember: EntityClass }
    >('roles/roles.ts');
    const entities = [Project, TeamMember];
    await withSync(exported, { entities }, async ({ device, database, caughtUp }) => {
      await database.query(
        `INSERT INTO team_members VALUES ('red', 'alice', 'admin'), ('red', 'bob', 'editor'), ('red', 'carol', 'viewer')`,
      );
      const [alice, bob, carol] = [await device('alice'), await device('bob'), await device('carol')];
      const { id } = await bob.create('projects', { team_id: 'red', name: 'roof' });
      const pulls = async (): Promise<void> => {
        for (let pulled = 0; pulled < 2; pulled++) {
          await caughtUp();
          for (const each of [alice, bob, carol]) await each.pull();
        }
      };
      await pulls();
      expect([alice, bob, carol].map((each) => each.rows('projects').has(id))).toEqual([true, true, true]);
      const rename = (by: SyncDevice): Promise<DeviceVerdict> => by.update('projects', id, { name: 'Roof' });
      expect(
        await reasons(
          () => rename(carol),
          () => rename(alice),
          () => bob.create('projects', { team_id: 'blue', name: 'forged' }),
          () => bob.delete('projects', id),
        ),
      ).toEqual(['ownership_violation', 'applied', 'ownership_violation', 'admins_delete']);
      await database.query(`DELETE FROM team_members WHERE user_id = 'bob'`);
      expect(
        await reasons(
          () => rename(bob),
          () => bob.delete('projects', id),
        ),
      ).toEqual(['record_not_found', 'record_not_found']);
      await pulls();
      expect(bob.rows('projects').size).toBe(0);
      expect(await reasons(() => alice.delete('projects', id))).toEqual(['applied']);
    });
  });

  it('the function says who writes a sheet, until it is closed', async () => {
    const { Sheet } = await example<{ Sheet: EntityClass }>('sheets/sheet.entity.ts');
    await withSync(
      await headerSync(),
      {
        entities: [Sheet],
        prepare: (database) => database.query(sql('write-function')).then(() => undefined),
      },
      async ({ device, database, caughtUp }) => {
        const [alice, bob, eve] = [await device('alice'), await device('bob'), await device('eve')];
        const { id } = await alice.create('sheets', { editor: 'bob' });
        await caughtUp();
        const write = (by: SyncDevice, data: object): Promise<DeviceVerdict> =>
          by.update('sheets', id, { editor: 'bob', ...data });
        expect(
          await reasons(
            () => write(eve, { state: 'mine' }),
            () => write(bob, { state: 'closed' }),
            () => write(alice, { state: 'open' }),
          ),
        ).toEqual(['record_not_found', 'applied', 'ownership_violation']);
        expect(await database.query('SELECT user_id, state FROM sheets')).toEqual([
          { user_id: 'alice', state: 'closed' },
        ]);
      },
    );
  });

  it('authors and moderators write a forum, and a closed topic takes nothing', async () => {
    const { Topic, Post, Moderator, ...exported } = await example<
      Sync & { Topic: EntityClass; Post: EntityClass; Moderator: EntityClass }
    >('moderation/moderation.ts');
    const entities = [Topic, Post, Moderator];
    await withSync(exported, { entities }, async ({ device, database, caughtUp }) => {
      const [alice, bob, mia] = [await device('alice'), await device('bob'), await device('mia')];
      await database.query(`INSERT INTO moderators VALUES ('mia')`);
      const all = async (): Promise<void> => {
        await caughtUp();
        for (const each of [alice, bob, mia]) await each.pull();
      };
      const topic = await alice.create('topics', { title: 'roofs' });
      await all();
      const reply = await bob.create('posts', { topic_id: topic.id, body: 'mine leaks', user_id: 'alice' });
      await all();
      expect(reply.status).toBe('applied');
      expect(alice.rows('posts').get(reply.id)).toMatchObject({ user_id: 'bob' });
      expect(
        await reasons(
          () => alice.update('posts', reply.id, { body: 'forged' }),
          () => bob.update('topics', topic.id, { title: 'spam' }),
          () => bob.delete('topics', topic.id),
          () => bob.update('posts', reply.id, { body: 'mine leaks a lot' }),
          () => mia.update('topics', topic.id, { title: 'Roofs', closed: true }),
        ),
      ).toEqual([...Array(3).fill('ownership_violation'), 'applied', 'applied']);
      await all();
      expect(
        await reasons(
          () => bob.create('posts', { topic_id: topic.id, body: 'late' }),
          () => bob.update('posts', reply.id, { body: 'late' }),
          () => alice.update('topics', topic.id, { closed: false }),
          () => mia.delete('posts', reply.id),
        ),
      ).toEqual([...Array(3).fill('topic_closed'), 'applied']);
      await all();
      expect(bob.rows('posts').size).toBe(0);
      await database.query('DELETE FROM moderators');
      expect(await reasons(() => mia.delete('topics', topic.id))).toEqual(['topic_closed']);
    });
  });
});

describe('hooks', () => {
  it('all seven are called', async () => {
    const { SyncEvents } = await example<{ SyncEvents: Type }>('hooks/sync-events.ts');
    const { sync } = await headerSync();
    const { CompactionJob } = await example<{ CompactionJob: Type<Job> }>('operating/compaction.ts');
    const lines: string[] = [];
    const keep = (line: unknown): void => void lines.push(String(line));
    vi.spyOn(Logger.prototype, 'log').mockImplementation(keep);
    vi.spyOn(Logger.prototype, 'warn').mockImplementation(keep);
    const prepare = makeSearchIndex;
    const host = { providers: [SyncEvents, CompactionJob] };
    const { sync: gated } = await example<Sync>('identity/async.ts');
    await withSync({ sync }, { prepare, host }, async ({ app, url, device, database, caughtUp }) => {
      const phone = await device('alice');
      const { id } = await phone.create('tasks', { title: 'a task' });
      expect(await database.query('SELECT task_id FROM search_index')).toEqual([{ task_id: id }]);
      await phone.push([
        { table: 'tasks', id, operation: 'update', data: { title: 'late' }, at: new Date(0), base: null },
      ]);
      expect(lines).toContain(`conflict over tasks/${id}: server won`);
      await caughtUp();
      await phone.pull();
      expect(lines).toContainEqual(
        expect.stringMatching(new RegExp(String.raw`^pull of ${phone.clientId}: 1 rows, up to \d+$`)),
      );
      await app.get<Job>(CompactionJob).run();
      expect(lines).toContainEqual(expect.stringMatching(/^compacted up to \d+: \d+ entries, 0 clients$/));
      await database.query('UPDATE sync_clients SET snapshot_completed_at = NULL');
      await phone.pull();
      expect(lines).toContainEqual(
        expect.stringMatching(`^${phone.clientId} takes a snapshot: history_unavailable`),
      );
      await database.query(`UPDATE sync_clients SET last_sync_at = now() - interval '31 days'`);
      const refused = await phone.pull().catch((error: unknown) => error);
      expect(refused).toBeInstanceOf(SyncDeviceError);
      expect(refused).toMatchObject({ status: 410 });
      expect(url).toMatch(/^http/);
    });
    const authorization = `Bearer ${await token({ sub: 'alice' })}`;
    await withSync({ sync: gated }, { prepare, host: { providers: [SyncEvents] } }, async ({ url }) => {
      expect(await statusOf(`${url}/sync/schema`, { authorization, 'x-app-version': '1.0.0' })).toBe(426);
      expect(lines).toContainEqual(expect.stringMatching(/is too old: 1\.0\.0, below 1\.2\.0$/));
    });
  });

  it('BeforeApply refuses by class-validator, and by a rule', async () => {
    const { Note, NoteRules } = await example<{ Note: EntityClass; NoteRules: Type }>('validation/notes.ts');
    const options = { entities: [Note], host: { providers: [NoteRules] } };
    await withSync(await headerSync(), options, async ({ device, database }) => {
      const alice = await device('alice');
      expect((await alice.create('notes', { body: 'x'.repeat(21) })).reason_code).toBe('note_invalid');
      const { id, status } = await alice.create('notes', { body: 'final' });
      expect(status).toBe('applied');
      expect((await alice.update('notes', id, { body: 'changed' })).reason_code).toBe('note_final');
      expect((await alice.delete('notes', id)).reason_code).toBe('note_final');
      expect(await database.query('SELECT body FROM notes')).toEqual([{ body: 'final' }]);
    });
  });
});

@Injectable()
class FailingRules {
  @BeforeApply()
  check(): void {
    throw new Error('a fault of the host');
  }
}

let season = 'none';

class RuleInSummer extends OwnershipResolver {
  override resolveOwner(): readonly string[] {
    if (season === 'none') throw new Error('there is no season');
    return [`season:${season}`];
  }
}

interface Job {
  run(): Promise<string>;
}

interface Admin {
  replay(): Promise<readonly unknown[]>;
  rulesChanged(ids: readonly string[]): Promise<void>;
  phoneIsLost(userId: string): Promise<void>;
  waiting(userId: string): Promise<readonly unknown[]>;
  refused(userId: string): Promise<readonly unknown[]>;
}

describe('operating it', () => {
  it('the health indicator is up, and reports the state of sync', async () => {
    const { SyncHealthIndicator, HealthController } =
      await example<Record<'SyncHealthIndicator' | 'HealthController', Type>>('operating/health.ts');
    const host = {
      imports: [TerminusModule],
      providers: [SyncHealthIndicator],
      controllers: [HealthController],
    };
    await withSync(await headerSync(), { host }, async ({ url }) => {
      await eventually(async () => {
        const { status, json } = await send(`${url}/health`);
        expect(status).toBe(200);
        expect(json).toMatchObject({ details: { sync: { status: 'up', consumer: 'consuming' } } });
      });
    });
  });

  it('compaction runs by hand', async () => {
    const { CompactionJob, ...exported } = await example<Sync & { CompactionJob: Type<Job> }>(
      'operating/compaction.ts',
    );
    const host = { providers: [CompactionJob] };
    await withSync(exported, { host }, async ({ app, device, database, caughtUp }) => {
      const phone = await device('alice');
      await phone.create('tasks', { title: 'a task' });
      await caughtUp();
      await phone.pull();
      await phone.pull();
      expect(await app.get<Job>(CompactionJob).run()).toMatch(/^1 entries up to \d+ are gone$/);
      expect(await database.query('SELECT FROM sync_changelog')).toEqual([]);
    });
  });

  it('the operations list, replay, resolve again and revoke', async () => {
    const { SyncAdmin } = await example<{ SyncAdmin: Type<Admin> }>('operating/sync-admin.ts');
    const { Comment } = await example<{ Comment: EntityClass }>('tables/entities.ts');
    const options = { entities: [Task, Comment], host: { providers: [SyncAdmin] } };
    const sync = SynchroModule.forRoot({
      guards: [UserIdHeaderGuard()],
      providers: [{ provide: OwnershipResolver, useClass: RuleInSummer }],
      migrationsRun: true,
    });
    await withSync({ sync }, options, async ({ app, device, database, caughtUp }) => {
      const phone = await device('alice');
      const admin = app.get<Admin>(SyncAdmin);
      const { id } = await phone.create('tasks', { title: 'a task' });
      const edges = 'SELECT bucket_id FROM sync_bucket_edges';
      await eventually(async () =>
        expect(await database.query('SELECT FROM sync_rule_failures')).toHaveLength(1),
      );
      expect(await database.query(edges)).toEqual([]);
      await phone.create('comments', { task_id: randomUUID(), body: 'early' });
      expect(await admin.waiting('alice')).toHaveLength(1);
      expect(await admin.refused('alice')).toEqual([]);
      season = 'summer';
      await database.query(`UPDATE sync_rule_failures SET retry_at = now() + interval '1 day'`);
      expect(await admin.replay()).toEqual([]);
      expect(await database.query(edges)).toEqual([{ bucket_id: 'season:summer' }]);
      season = 'autumn';
      await admin.rulesChanged([id]);
      await caughtUp();
      expect(await database.query(edges)).toEqual([{ bucket_id: 'season:autumn' }]);
      await admin.phoneIsLost('alice');
      await expect(phone.pull()).rejects.toMatchObject({ status: 404 });
    });
  });

  it('the logger gets objects, in the context of the request', async () => {
    const storage = new AsyncLocalStorage<string>();
    const written: { readonly line: string; readonly trace: string | undefined }[] = [];
    const configure: HostOptions['configure'] = (app) => {
      app.use((_request: unknown, _response: unknown, next: () => void) => storage.run('trace-1', next));
    };
    const write = vi.spyOn(process.stdout, 'write').mockImplementation(keep);
    const writeError = vi.spyOn(process.stderr, 'write').mockImplementation(keep);
    function keep(text: string | Uint8Array): boolean {
      for (const line of String(text).trim().split('\n')) written.push({ line, trace: storage.getStore() });
      return true;
    }
    try {
      const options = { host: { providers: [FailingRules] }, configure };
      await withSync(await example<Sync>('operating/logging.ts'), options, async ({ device }) => {
        const alice = await device('alice');
        expect((await alice.create('tasks', { title: 'x' })).status).toBe('rejected_retryable');
      });
    } finally {
      write.mockRestore();
      writeError.mockRestore();
    }
    const lines = written.filter(({ line }) => line.startsWith('{'));
    const parsed = lines.map(({ line, trace }) => ({ ...(JSON.parse(line) as object), trace }));
    expect(parsed).toContainEqual(
      expect.objectContaining({
        level: 'log',
        context: 'Synchro',
        message: { message: 'syncing', tables: 'tasks', schemaVersion: '1' },
      }),
    );
    expect(parsed).toContainEqual(
      expect.objectContaining({
        level: 'error',
        message: expect.objectContaining({ message: 'a write validator failed', table: 'tasks' }),
        trace: 'trace-1',
      }),
    );
  });

  it('a worker consumes by a connection of its own, with the publication that was made by hand; an API does not', async () => {
    const { Comment, Category, Tag } = await example<Record<string, EntityClass>>('tables/entities.ts');
    const entities = [Task, Comment, Category, Tag].filter((entity) => entity !== undefined);
    const database = await createDatabase(server.url);
    try {
      vi.stubEnv('REPLICATION_URL', database.url);
      const worker = await example<Sync>('instances/worker.ts');
      vi.stubEnv('ROLE', 'api');
      const api = await example<Sync>('instances/worker.ts', '?api');
      await createTables(database.url, entities);
      await database.query(sql('publication'));
      await withSync(worker, { entities, database }, async (consuming) => {
        await withSync(api, { entities, database }, async ({ app, device, caughtUp }) => {
          const [phone, tablet] = [await consuming.device('alice'), await device('alice')];
          const { id } = await tablet.create('tasks', { title: 'a task' });
          await caughtUp();
          await phone.pull();
          expect([...phone.rows('tasks').keys()]).toEqual([id]);
          const states = [consuming.app, app].map((each) => each.get(SyncStatus).read());
          const [first, second] = await Promise.all(states);
          expect([first?.consumer.state, second?.consumer.state]).toEqual(['consuming', 'off']);
          expect(second?.slot).toMatchObject({ name: 'synchro_slot', active: true });
        });
      });
      const published = 'SELECT tablename FROM pg_publication_tables ORDER BY 1';
      expect((await database.query(published)).map((row) => row['tablename'])).toEqual([
        'categories',
        'comments',
        'tags',
        'tasks',
      ]);
    } finally {
      await database.drop();
    }
  });
});

it('every example was run', () => {
  const named = snippets.filter(({ kind }) => kind !== null).map(({ name }) => name);
  expect([...ran].toSorted()).toEqual(named.toSorted());
});
