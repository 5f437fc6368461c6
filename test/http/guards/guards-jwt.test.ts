import { randomUUID } from 'node:crypto';
import { Controller, Get, Inject, Module, Req, UseGuards } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { UnsecuredJWT } from 'jose';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { SyncLogger } from '../../../lib/common/sync-logger.js';
import { JwtGuard, type JwtGuardOptions } from '../../../lib/index.js';
import { TokenVerifier } from '../../../lib/http/guards/token-verifier.js';
import { ADAPTERS } from '../../support/adapters.js';
import { startApp, type AppOptions, type RunningApp } from '../../support/app.js';
import { createDatabase, type TestDatabase } from '../../support/database.js';
import { signingKey, startKeyServer, tokenOf, type KeyServer } from '../../support/key-server.js';
import { send, type WireAnswer } from '../../support/wire.js';

const SECRET = 'a secret of at least thirty-two bytes';
const now = (): number => Math.floor(Date.now() / 1000);

let database: TestDatabase;
let app: RunningApp | undefined;

beforeAll(async () => {
  database = await createDatabase();
});

afterEach(async () => {
  await app?.close();
});

afterAll(async () => {
  await database.drop();
});

async function startWith(
  options: Parameters<typeof JwtGuard>[0],
  more: Partial<AppOptions> = {},
): Promise<void> {
  app = await startApp({
    database,
    ...more,
    synchro: { replication: false, guards: [JwtGuard(options)], ...more.synchro },
  });
}

function ask(authorization?: string): Promise<WireAnswer> {
  return send(`${app?.url}/sync/schema`, {
    headers: authorization === undefined ? {} : { Authorization: authorization },
  });
}

async function askWith(token: string | Promise<string>): Promise<WireAnswer> {
  return ask(`Bearer ${await token}`);
}

function expectRefused(answer: WireAnswer, error: string): void {
  expect(answer).toMatchObject({ status: 401, json: { error } });
  expect(Object.keys(answer.json ?? {})).toEqual(['error']);
}

describe.each(ADAPTERS)('the JWT guard on %s', (_platform, adapter) => {
  it('tells sync the user of a request, without a userId option, and in canonical form', async () => {
    await startWith({ secret: SECRET }, { adapter: adapter() });
    const id = randomUUID();
    const answer = await send(`${app?.url}/sync/register`, {
      headers: { Authorization: `Bearer ${await tokenOf(SECRET, { sub: id.toUpperCase() })}` },
      body: { client_id: id, schema_version: 0, schema_hash: '' },
    });
    expect(answer.status, answer.text).toBe(200);
    expect(await database.query('SELECT user_id FROM sync_clients WHERE client_id = $1', [id])).toEqual([
      { user_id: id },
    ]);
  });

  it('refuses with the texts of the contract, on every route', async () => {
    await startWith({ secret: SECRET }, { adapter: adapter() });
    expectRefused(await ask(), 'missing or malformed authorization header');
    expectRefused(await ask('Basic YTpi'), 'missing or malformed authorization header');
    expectRefused(
      await ask(await tokenOf(SECRET, { sub: 'a' })),
      'missing or malformed authorization header',
    );
    expectRefused(await ask('Bearer nonsense'), 'invalid token');
    expectRefused(await askWith(tokenOf('another secret', { sub: 'a' })), 'invalid token');
    expectRefused(await askWith(tokenOf(SECRET, {})), 'token missing user claim');
    for (const path of ['register', 'pull', 'push', 'snapshot']) {
      const answer = await send(`${app?.url}/sync/${path}`, {
        body: '{}',
        headers: { Authorization: 'Bearer x' },
      });
      expectRefused(answer, 'invalid token');
    }
  });

  it('answers 503 with Retry-After while the keys cannot be fetched, and lets in once they can', async () => {
    const keys = await startKeyServer();
    try {
      const key = await signingKey('ES256', 'one');
      keys.keys.push(key.jwk);
      await startWith({ jwksUrl: keys.url }, { adapter: adapter(), synchro: { retryAfter: 7 } });
      for (const failure of ['error', 'nonsense'] as const) {
        keys.answer(failure);
        const answer = await askWith(tokenOf(key, { sub: 'a' }));
        expect(answer).toMatchObject({
          status: 503,
          json: { error: 'service temporarily unavailable', retry_after: 7 },
        });
        expect(answer.headers.get('retry-after')).toBe('7');
      }
      keys.answer('keys');
      expect((await askWith(tokenOf(key, { sub: 'a' }))).status).toBe(200);
      await keys.close();
      expect((await askWith(tokenOf(key, { sub: 'a' }))).status, 'from the cache').toBe(200);
    } finally {
      await keys.close();
    }
  });
});

describe('a shared secret', () => {
  it.each(['HS256', 'HS384', 'HS512'])('is good for %s, as text and as bytes', async (algorithm) => {
    const secret = SECRET.repeat(2);
    for (const given of [secret, new TextEncoder().encode(secret)]) {
      await startWith({ secret: given });
      expect((await askWith(tokenOf(secret, { sub: 'a' }, algorithm))).status).toBe(200);
      await app?.close();
    }
  });

  it('is good for nothing else: no "none", no public keys', async () => {
    await startWith({ secret: SECRET });
    const unsigned = new UnsecuredJWT({ sub: 'a', exp: now() + 60 }).encode();
    expectRefused(await ask(`Bearer ${unsigned}`), 'invalid token');
    expectRefused(await askWith(tokenOf(await signingKey('RS256'), { sub: 'a' })), 'invalid token');
  });
});

it('an algorithm that the mode does not have is refused before any key is read', async () => {
  const [shared, published] = [{ secret: SECRET }, { jwksUrl: 'http://127.0.0.1:1/nobody' }];
  for (const [options, token] of [
    [shared, await tokenOf(await signingKey('RS256'), { sub: 'a' })],
    [published, await tokenOf(SECRET, { sub: 'a' })],
    [published, new UnsecuredJWT({ sub: 'a' }).encode()],
  ] as const) {
    await expect(
      new TokenVerifier(options, new SyncLogger(undefined, 'Synchro')).verify(token),
    ).rejects.toMatchObject({
      message: 'invalid token',
      cause: { code: 'ERR_JOSE_ALG_NOT_ALLOWED' },
    });
  }
});

describe('the claims', () => {
  it('must not be over, or not begun, beyond the tolerance [W-HTTP-5]', async () => {
    await startWith({ secret: SECRET, clockTolerance: 30 });
    for (const [claims, fits] of [
      [{ exp: now() - 10 }, true],
      [{ exp: now() - 60 }, false],
      [{ nbf: now() + 10 }, true],
      [{ nbf: now() + 60 }, false],
    ] as const) {
      const answer = await askWith(tokenOf(SECRET, { sub: 'a', ...claims }));
      if (fits) expect(answer.status).toBe(200);
      else expectRefused(answer, 'invalid token');
    }
  });

  it('must have an end, unless configured otherwise [W-HTTP-5]', async () => {
    const endless = tokenOf(SECRET, { sub: 'a', exp: undefined });
    await startWith({ secret: SECRET });
    expectRefused(await askWith(endless), 'invalid token claims');
    await app?.close();
    await startWith({ secret: SECRET, requireExpiry: false });
    expect((await askWith(endless)).status).toBe(200);
    expectRefused(await askWith(tokenOf(SECRET, { sub: 'a', exp: now() - 1 })), 'invalid token');
  });

  it('must be of the issuer and for the audience [W-HTTP-5]', async () => {
    await startWith({ secret: SECRET, issuer: ['https://a', 'https://b'], audience: 'sync' });
    const good = { sub: 'a', iss: 'https://b', aud: ['web', 'sync'] };
    expect((await askWith(tokenOf(SECRET, good))).status).toBe(200);
    for (const wrong of [{ iss: 'https://c' }, { iss: undefined }, { aud: 'web' }, { aud: undefined }]) {
      expectRefused(await askWith(tokenOf(SECRET, { ...good, ...wrong })), 'invalid token claims');
    }
  });

  it.each<[object]>([[{ sub: '' }], [{ sub: 7 }], [{ sub: null }], [{ sub: ['a'] }], [{}]])(
    'must name the user: not %j',
    async (claims) => {
      await startWith({ secret: SECRET });
      expectRefused(await askWith(tokenOf(SECRET, { ...claims })), 'token missing user claim');
    },
  );

  it('may name the user elsewhere, where nothing inherited counts', async () => {
    await startWith({ secret: SECRET, userClaim: 'https://example.com/user' });
    expect((await askWith(tokenOf(SECRET, { 'https://example.com/user': 'a' }))).status).toBe(200);
    expectRefused(await askWith(tokenOf(SECRET, { sub: 'a' })), 'token missing user claim');
    await app?.close();
    await startWith({ secret: SECRET, userClaim: 'constructor' });
    expectRefused(await askWith(tokenOf(SECRET, { sub: 'a' })), 'token missing user claim');
  });
});

describe('a key set', () => {
  let keys: KeyServer;

  beforeEach(async () => {
    keys = await startKeyServer();
  });

  afterEach(() => keys.close());

  it.each(['RS256', 'RS512', 'PS256', 'ES256', 'ES384', 'EdDSA'])('is good for %s', async (algorithm) => {
    const key = await signingKey(algorithm, 'one');
    keys.keys.push(key.jwk);
    await startWith({ jwksUrl: keys.url });
    for (let n = 0; n < 3; n++) expect((await askWith(tokenOf(key, { sub: 'a' }))).status).toBe(200);
    expect(keys.asked()).toBe(1);
    expectRefused(await askWith(tokenOf(await signingKey(algorithm, 'one'), { sub: 'a' })), 'invalid token');
  });

  it('is good for no shared secret, be it the public key itself', async () => {
    const key = await signingKey('RS256', 'one');
    keys.keys.push(key.jwk);
    await startWith({ jwksUrl: keys.url });
    expectRefused(await askWith(tokenOf(JSON.stringify(key.jwk), { sub: 'a' })), 'invalid token');
    expectRefused(await askWith(tokenOf(String(key.jwk.n), { sub: 'a' })), 'invalid token');
    const unsigned = new UnsecuredJWT({ sub: 'a', exp: now() + 60 }).encode();
    expectRefused(await ask(`Bearer ${unsigned}`), 'invalid token');
  });

  it('may rotate, and is asked for an unknown key only after a pause', async () => {
    const [first, second] = [await signingKey('ES256', 'one'), await signingKey('ES256', 'two')];
    keys.keys.push(first.jwk);
    await startWith({ jwksUrl: keys.url, jwks: { cooldownDuration: 0 } });
    expect((await askWith(tokenOf(first, { sub: 'a' }))).status).toBe(200);
    keys.keys.push(second.jwk);
    expect((await askWith(tokenOf(second, { sub: 'a' }))).status).toBe(200);
    await app?.close();

    const asked = keys.asked();
    await startWith({ jwksUrl: new URL(keys.url) });
    const unknown = await signingKey('ES256', 'three');
    for (let n = 0; n < 5; n++) expectRefused(await askWith(tokenOf(unknown, { sub: 'a' })), 'invalid token');
    expect(keys.asked()).toBe(asked + 1);
  });

  it('may have several keys of a kind for tokens that name none', async () => {
    const [first, second] = [await signingKey('ES256'), await signingKey('ES256')];
    keys.keys.push(first.jwk, second.jwk);
    await startWith({ jwksUrl: keys.url });
    for (const key of [first, second]) expect((await askWith(tokenOf(key, { sub: 'a' }))).status).toBe(200);
    const other = await signingKey('ES256');
    expectRefused(await askWith(tokenOf(other, { sub: 'a' })), 'invalid token');
    expectRefused(await askWith(tokenOf(second, { sub: 'a', exp: undefined })), 'invalid token claims');
  });
});

describe('the configuration', () => {
  it.each<[string, JwtGuardOptions, RegExp]>([
    ['neither', {}, /neither secret nor jwksUrl/],
    ['empty ones', { secret: '', jwksUrl: '' }, /neither secret nor jwksUrl/],
    ['both', { secret: SECRET, jwksUrl: 'https://a/jwks' }, /both secret and jwksUrl/],
    ['a URL that is none', { jwksUrl: 'keys' }, /jwksUrl is not an http\(s\) URL: keys/],
    ['a file', { jwksUrl: 'file:///etc/keys' }, /jwksUrl is not an http\(s\) URL/],
    ['a tolerance that is none', { secret: SECRET, clockTolerance: -1 }, /clockTolerance/],
  ])('stops the start with %s', async (_, options, message) => {
    for (const given of [options, { useFactory: () => options }, { useFactory: async () => options }]) {
      const start = startGuarded(given);
      await expect(start).rejects.toThrow(message);
      await expect(start).rejects.toMatchObject({ code: 'configuration_invalid' });
    }
  });

  it('may come from a service of an imported module, later', async () => {
    await startWith(
      {
        inject: [Settings],
        useFactory: async (settings: Settings) => ({ secret: await settings.secret() }),
      },
      { synchro: { imports: [SettingsModule] } },
    );
    expect((await askWith(tokenOf(SECRET, { sub: 'a' }))).status).toBe(200);
    expectRefused(await ask(), 'missing or malformed authorization header');
  });

  it('a userId option of the host wins, and may answer nobody', async () => {
    await startWith(
      { secret: SECRET },
      { synchro: { userId: (context) => context.switchToHttp().getRequest().user.tenant } },
    );
    expect((await askWith(tokenOf(SECRET, { sub: 'a', tenant: 'b' }))).status).toBe(200);
    expectRefused(await askWith(tokenOf(SECRET, { sub: 'a' })), 'missing user identity');
  });

  it('of the sample app is a secret, with which the development header is worth nothing', async () => {
    app = await startApp({ database, jwtSecret: SECRET });
    expect((await askWith(tokenOf(SECRET, { sub: 'a', exp: undefined }))).status).toBe(200);
    const answer = await send(`${app.url}/sync/schema`, { headers: { 'X-User-ID': 'a' } });
    expectRefused(answer, 'missing or malformed authorization header');
  });

  it("works with @UseGuards on a host's own routes, with the claims as request.user", async () => {
    for (const adapter of [new ExpressAdapter(), new FastifyAdapter()]) {
      const host = await NestFactory.create(HostModule, adapter, { logger: false });
      await host.listen(0, '127.0.0.1');
      try {
        const url = `${await host.getUrl()}/me`;
        const token = await tokenOf(SECRET, { sub: 'a', role: 'admin' });
        expect(await send(url, { headers: { Authorization: `Bearer ${token}` } })).toMatchObject({
          status: 200,
          json: { id: 'a', sub: 'a', role: 'admin' },
        });
        expect(await send(url)).toMatchObject({ status: 401 });
      } finally {
        await host.close();
      }
    }
  });
});

class Settings {
  constructor(@Inject('SECRET') private readonly value: string) {}

  async secret(): Promise<string> {
    return Promise.resolve(this.value);
  }
}

@Module({ providers: [Settings, { provide: 'SECRET', useValue: SECRET }], exports: [Settings] })
class SettingsModule {}

@Controller('me')
@UseGuards(
  JwtGuard({
    inject: [Settings],
    useFactory: async (settings: Settings) => ({ secret: await settings.secret() }),
  }),
)
class MeController {
  @Get()
  me(@Req() request: { user: unknown }): unknown {
    return request.user;
  }
}

@Module({ imports: [SettingsModule], controllers: [MeController] })
class HostModule {}

/** An app whose only controller has the guard. */
async function startGuarded(options: Parameters<typeof JwtGuard>[0]): Promise<void> {
  @Controller()
  @UseGuards(JwtGuard(options))
  class Guarded {}
  @Module({ controllers: [Guarded] })
  class GuardedModule {}
  const guarded = await NestFactory.create(GuardedModule, { logger: false, abortOnError: false });
  await guarded.init();
}
