import { randomUUID } from 'node:crypto';
import {
  Controller,
  Logger,
  Module,
  UseGuards,
  type CanActivate,
  type ExecutionContext,
} from '@nestjs/common';
import { APP_GUARD, NestFactory } from '@nestjs/core';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { SyncController, UserIdHeaderGuard } from '../../../lib/index.js';
import { ADAPTERS } from '../../support/adapters.js';
import { startApp, type AppOptions, type RunningApp } from '../../support/app.js';
import { createDatabase, type TestDatabase } from '../../support/database.js';
import { send, type WireAnswer } from '../../support/wire.js';

const POSTS = ['register', 'pull', 'push', 'snapshot'] as const;
const GETS = ['schema', 'tables'] as const;

let database: TestDatabase;
let app: RunningApp | undefined;

beforeAll(async () => {
  database = await createDatabase();
});

afterEach(async () => {
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
  await app?.close();
});

afterAll(async () => {
  await database.drop();
});

async function startWith(
  synchro: NonNullable<AppOptions['synchro']>,
  more: Partial<AppOptions> = {},
): Promise<void> {
  app = await startApp({ database, ...more, synchro: { replication: false, ...synchro } });
}

/** Registers a device, and tells whose it is. */
async function registeredAs(headers: Record<string, string>): Promise<unknown> {
  const id = randomUUID();
  const body = { client_id: id, schema_version: 0, schema_hash: '' };
  const answer = await send(`${app?.url}/sync/register`, { headers, body });
  expect(answer.status, answer.text).toBe(200);
  const rows = await database.query('SELECT user_id FROM sync_clients WHERE client_id = $1', [id]);
  return rows[0]?.['user_id'];
}

function schema(headers: Record<string, string> = {}): Promise<WireAnswer> {
  return send(`${app?.url}/sync/schema`, { headers });
}

const NOBODY = { status: 401, json: { error: 'missing user identity' } };

describe.each(ADAPTERS)('the development header on %s', (_platform, adapter) => {
  it('tells sync the user of a request, and everything without it is refused', async () => {
    await startWith({ guards: [UserIdHeaderGuard()] }, { adapter: adapter() });
    expect(await registeredAs({ 'X-User-ID': 'Bob' })).toBe('Bob');
    const id = randomUUID();
    expect(await registeredAs({ 'X-User-ID': id.toUpperCase() })).toBe(id);
    for (const headers of [{}, { 'X-User-ID': '' }] as Record<string, string>[]) {
      for (const path of POSTS) {
        const answer = await send(`${app?.url}/sync/${path}`, { body: '{}', headers });
        expect(answer).toMatchObject(NOBODY);
        expect(answer.json).toEqual(NOBODY.json);
      }
      for (const path of GETS) {
        expect(await send(`${app?.url}/sync/${path}`, { headers })).toMatchObject(NOBODY);
      }
    }
  });

  it('may have another name', async () => {
    await startWith({ guards: [UserIdHeaderGuard({ header: 'X-Employee' })] }, { adapter: adapter() });
    expect(await registeredAs({ 'x-employee': 'eve' })).toBe('eve');
    expect(await schema({ 'X-User-ID': 'eve' })).toMatchObject(NOBODY);
  });
});

describe('the development header', () => {
  it('warns once, when the app starts', async () => {
    const warn = vi.spyOn(Logger.prototype, 'warn').mockReturnValue();
    await startWith({ guards: [UserIdHeaderGuard()] });
    for (let n = 0; n < 3; n++) await schema({ 'X-User-ID': 'a' });
    const warnings = warn.mock.calls.filter(([text]) => String(text).includes('UserIdHeaderGuard'));
    expect(warnings).toEqual([[expect.stringContaining('whoever sends the header X-User-ID is the user')]]);
  });

  it('keeps an app from starting in production, unless that is allowed [W-HTTP-5]', async () => {
    vi.stubEnv('NODE_ENV', 'production');
    await expect(startGuarded(UserIdHeaderGuard())).rejects.toMatchObject({
      code: 'configuration_invalid',
      message: expect.stringMatching(/production.*X-User-ID[^]*allowInProduction/),
    });
    await startGuarded(UserIdHeaderGuard({ allowInProduction: true }));
  });
});

it.each(['', undefined, null, 7.5])('a user id that is %j is nobody', async (id: unknown) => {
  await startWith({ userId: () => id as string, guards: [] });
  expect(await schema({ 'X-User-ID': 'a' })).toMatchObject(NOBODY);
});

describe('without the userId option', () => {
  it("a host's own guard that identifies nobody lets nobody in, and the log says why, once [W-HTTP-5]", async () => {
    const error = vi.spyOn(Logger.prototype, 'error').mockReturnValue();
    for (const guards of [[], [OwnGuard]]) {
      await startWith({ guards });
      expect(await schema({ 'X-User-ID': 'a' })).toMatchObject(NOBODY);
      expect(await schema({ 'X-User-ID': 'a' })).toMatchObject(NOBODY);
      await app?.close();
    }
    const hint = expect.stringContaining('the option userId is not set');
    expect(error.mock.calls).toEqual([[hint], [hint]]);
  });

  it('a global guard of the library identifies the caller', async () => {
    const providers = [{ provide: APP_GUARD, useClass: UserIdHeaderGuard() }];
    await startWith({ guards: [] }, { host: { providers } });
    expect(await registeredAs({ 'X-User-ID': 'global' })).toBe('global');
    expect(await schema()).toMatchObject({ status: 401 });
  });

  it("so does one on a host's subclass of the controller", async () => {
    await startWith({ controller: false, isGlobal: true }, { host: { controllers: [OwnController] } });
    expect(await registeredAs({ 'X-User-ID': 'subclass' })).toBe('subclass');
    expect(await schema()).toMatchObject(NOBODY);
  });
});

it('the first guard of the library that identifies the caller stands, as in request.user', async () => {
  const guards = [UserIdHeaderGuard({ header: 'X-Verified' }), UserIdHeaderGuard()];
  await startWith({ guards });
  expect(await registeredAs({ 'X-Verified': 'alice', 'X-User-ID': 'bob' })).toBe('alice');
});

describe('request.user', () => {
  it('is what an earlier guard made it; sync goes by the guard of the library', async () => {
    let seen: unknown;
    const look: CanActivate = {
      canActivate: (context) => {
        seen = context.switchToHttp().getRequest().user;
        return true;
      },
    };
    await startWith({ guards: [UserIdHeaderGuard(), look] });
    expect(await registeredAs({ 'X-User-ID': 'a' })).toBe('a');
    expect(seen).toEqual({ id: 'a' });
    await app?.close();
    await startWith({ guards: [OwnGuard, UserIdHeaderGuard(), look] });
    expect(await registeredAs({ 'X-User-ID': 'a' })).toBe('a');
    expect(seen).toEqual({ id: 'own' });
  });
});

class OwnGuard implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    context.switchToHttp().getRequest().user = { id: 'own' };
    return true;
  }
}

@Controller('sync')
@UseGuards(UserIdHeaderGuard())
class OwnController extends SyncController {}

async function startGuarded(guard: ReturnType<typeof UserIdHeaderGuard>): Promise<void> {
  @Controller()
  @UseGuards(guard)
  class Guarded {}
  @Module({ controllers: [Guarded] })
  class GuardedModule {}
  const guarded = await NestFactory.create(GuardedModule, { logger: false, abortOnError: false });
  await guarded.close();
}
