import { randomUUID } from 'node:crypto';
import {
  Controller,
  ForbiddenException,
  HttpException,
  Injectable,
  Module,
  UseGuards,
  type CanActivate,
  type ExecutionContext,
  type INestApplication,
} from '@nestjs/common';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { SyncController, SynchroModule } from 'nestjs-synchro';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startApp, type AppOptions, type RunningApp } from '../support/app.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { Device } from '../support/device.js';
import { send } from '../support/wire.js';

const PLATFORMS = { Express: () => undefined, Fastify: () => new FastifyAdapter() };

interface IdentifiedRequest {
  readonly headers: Readonly<Record<string, unknown>>;
  user?: { readonly id: string };
}

function userIdOf(context: ExecutionContext): string | undefined {
  return context.switchToHttp().getRequest<IdentifiedRequest>().user?.id;
}

/** What guards of the host's need. */
@Injectable()
class Accounts {
  userOf(token: unknown): string | undefined {
    return typeof token === 'string' && token.startsWith('token of ') ? token.slice(9) : undefined;
  }
}

@Module({ providers: [Accounts], exports: [Accounts] })
class AccountsModule {}

@Injectable()
class TokenGuard implements CanActivate {
  constructor(private readonly accounts: Accounts) {}

  canActivate(context: ExecutionContext): boolean {
    const request = context.switchToHttp().getRequest<IdentifiedRequest>();
    const id = this.accounts.userOf(request.headers['authorization']);
    if (id === 'spammer') throw new HttpException({ statusCode: 429, message: 'slow down', more: [1] }, 429);
    if (id === 'banned') throw new ForbiddenException('account is closed');
    if (id !== undefined) request.user = { id };
    return id !== 'nobody at all';
  }
}

@Controller(['mobile/v2', ':tenant/sync'])
@UseGuards(TokenGuard)
class MobileSyncController extends SyncController {}

@Module({ imports: [AccountsModule], controllers: [MobileSyncController] })
class MobileModule {}

describe.each(Object.entries(PLATFORMS))('hosts on %s', (platform, adapter) => {
  let database: TestDatabase;

  beforeAll(async () => {
    database = await createDatabase();
  });
  afterAll(() => database.drop());

  async function withApp(
    options: Omit<AppOptions, 'database' | 'adapter'>,
    work: (app: RunningApp) => Promise<void>,
  ): Promise<void> {
    const made = adapter();
    const app = await startApp({
      database,
      ...(made && { adapter: made }),
      ...options,
      synchro: { replication: false, ...options.synchro },
    });
    try {
      await work(app);
    } finally {
      await app.close();
    }
  }

  it('guards of forRoot get what they need from its imports, and stand before the sync routes alone', async () => {
    const synchro = { imports: [AccountsModule], guards: [TokenGuard], userId: userIdOf };
    await withApp({ synchro }, async ({ url }) => {
      const answerTo = (user: string) =>
        send(`${url}/sync/schema`, { headers: { Authorization: `token of ${user}` } });
      expect((await answerTo('alice')).status).toBe(200);
      expect(await send(`${url}/sync/schema`)).toMatchObject({
        status: 401,
        json: { error: 'missing user identity' },
      });
      expect(await send(`${url}/healthz`)).toMatchObject({ status: 200 });
      // Whatever else a guard says, SDKs decode an error's values as strings, and wait with a number.
      expect(await answerTo('spammer')).toMatchObject({
        status: 429,
        text: '{"error":"slow down","retry_after":5}\n',
      });
      expect(await answerTo('banned')).toMatchObject({
        status: 403,
        text: '{"error":"account is closed"}\n',
      });
      expect(await answerTo('nobody at all')).toMatchObject({
        status: 403,
        text: '{"error":"Forbidden resource"}\n',
      });
    });
  });

  it('a guard that fails unexpectedly is a 500 in the words of the endpoint', async () => {
    const broken: CanActivate = {
      canActivate: () => {
        throw new TypeError('a fault of the host');
      },
    };
    await withApp({ synchro: { guards: [broken] } }, async ({ url }) => {
      const answer = await send(`${url}/sync/pull?x=/sync/push`, { body: {} });
      expect(answer).toMatchObject({ status: 500, text: '{"error":"failed to pull changes"}\n' });
    });
  });

  it('controller: false: a subclass with routes, guards and a module of its own answers like ours', async () => {
    const synchro = { controller: false, isGlobal: true, userId: userIdOf };
    await withApp({ synchro, host: { imports: [MobileModule] } }, async ({ url }) => {
      expect(
        (await send(`${url}/sync/schema`, { headers: { Authorization: 'token of alice' } })).status,
      ).toBe(404);
      for (const path of ['mobile/v2', 'acme/sync']) {
        const post = (endpoint: string, body: object) =>
          send(`${url}/${path}/${endpoint}`, { body, headers: { Authorization: 'token of alice' } });
        const { json: schema } = await send(`${url}/${path}/schema`, {
          headers: { Authorization: 'token of alice' },
        });
        const { schema_version, schema_hash } = schema as { schema_version: number; schema_hash: string };
        const ids = { client_id: randomUUID(), schema_version, schema_hash };
        expect(await post('register', ids)).toMatchObject({ status: 200, json: { schema_version } });
        const id = randomUUID();
        const data = { user_id: 'alice', title: 'x'.repeat(200 * 1024) };
        const change = {
          id,
          table_name: 'tasks',
          operation: 'create',
          data,
          client_updated_at: '2026-01-01T00:00:00Z',
        };
        const pushed = await post('push', { ...ids, changes: [change] });
        expect(pushed).toMatchObject({ status: 200, json: { accepted: [{ id }] } });
        expect(pushed.headers.get('content-type')).toBe('application/json');
        const wrong = await send(`${url}/${path}/pull`, { headers: { Authorization: 'token of alice' } });
        expect(wrong).toMatchObject({ status: 405, text: '{"error":"method not allowed"}\n' });
        expect(wrong.headers.get('allow')).toBe('POST');
        expect(await send(`${url}/${path}/pull`, { body: 'not json' })).toMatchObject({
          status: 401,
          json: { error: 'missing user identity' },
        });
      }
    });
  });

  it("two apps in one process don't mix", async () => {
    const first = { path: '/one/', userId: () => 'first', guards: [], minClientVersion: '5.0.0' };
    const second = { path: 'two', userId: () => 'second', guards: [], retryAfter: 1 };
    await withApp({ synchro: first }, async (one) =>
      withApp({ synchro: second }, async (two) => {
        const headers = { 'X-App-Version': '1.0.0' };
        expect((await send(`${one.url}/one/schema`, { headers })).status).toBe(426);
        expect((await send(`${two.url}/two/schema`, { headers })).status).toBe(200);
        expect((await send(`${one.url}/two/schema`)).status).toBe(404);
        expect((await send(`${two.url}/one/schema`)).status).toBe(404);
        await registerAt(`${two.url}/two`);
        await registerAt(`${one.url}/one`);
      }),
    );
    const users = await database.query(
      `SELECT user_id FROM sync_clients WHERE user_id IN ('first', 'second') ORDER BY 1`,
    );
    expect(users).toEqual([{ user_id: 'first' }, { user_id: 'second' }]);
  });

  it("two forRoot in one app don't mix", async () => {
    const more = SynchroModule.forRoot({
      path: 'admin/sync',
      userId: () => 'an admin',
      minClientVersion: '9.0.0',
      replication: false,
    });
    await withApp({ host: { imports: [more] } }, async ({ url }) => {
      expect((await send(`${url}/sync/schema`)).status).toBe(401);
      expect((await send(`${url}/admin/sync/schema`, { headers: { 'X-App-Version': '8.0.0' } })).status).toBe(
        426,
      );
      await registerAt(`${url}/admin/sync`);
      await registerAt(`${url}/sync`, { 'X-User-ID': 'a user' });
    });
    const users = await database.query(
      `SELECT user_id FROM sync_clients WHERE user_id IN ('a user', 'an admin') ORDER BY 1`,
    );
    expect(users).toMatchObject([{ user_id: 'a user' }, { user_id: 'an admin' }]);
  });

  it("a preflight is the host's CORS to answer, and its headers are on our answers", async () => {
    const headers = { Origin: 'https://app.example', 'Access-Control-Request-Method': 'POST' };
    await withApp({ configure: allowExample }, async ({ url }) => {
      const preflight = await send(`${url}/sync/pull`, { method: 'OPTIONS', headers });
      expect(preflight.status).toBe(204);
      expect(preflight.headers.get('access-control-allow-origin')).toBe('https://app.example');
      const answer = await new Device(url, 'alice', randomUUID(), { headers }).send('schema');
      expect(answer.status).toBe(200);
      expect(answer.headers.get('access-control-allow-origin')).toBe('https://app.example');
      expect(answer.headers.get('content-type')).toBe('application/json');
    });
  });

  /** Go answers 404; here the platform's router decides, and a route that it finds works. */
  it('slashes and case in paths are as strict as the platform is', async () => {
    const isStrict = platform === 'Fastify';
    await withApp({}, async ({ url }) => {
      const ids = await new Device(url, 'alice').schemaIds();
      for (const path of ['register/', 'REGISTER', 'Register/']) {
        const answer = await send(`${url}/sync/${path}`, {
          body: { client_id: randomUUID(), ...ids },
          headers: { 'X-User-ID': 'alice' },
        });
        expect(answer.status, path).toBe(isStrict ? 404 : 200);
      }
    });
  });
});

function allowExample(app: INestApplication): void {
  app.enableCors({ origin: 'https://app.example' });
}

async function registerAt(url: string, headers: Readonly<Record<string, string>> = {}): Promise<void> {
  const { json } = await send(`${url}/schema`, { headers });
  const { schema_version, schema_hash } = json as { schema_version: number; schema_hash: string };
  const body = { client_id: randomUUID(), schema_version, schema_hash };
  expect((await send(`${url}/register`, { body, headers })).status).toBe(200);
}
