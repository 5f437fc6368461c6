import {
  Controller,
  Get,
  HttpException,
  Injectable,
  Module,
  ServiceUnavailableException,
  UseGuards,
  type CanActivate,
  type ExecutionContext,
} from '@nestjs/common';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { RetryAfterGuard, SyncEngine, UserIdHeaderGuard, type Rejection } from '../../../lib/index.js';
import { ADAPTERS } from '../../support/adapters.js';
import { startApp, type AppOptions, type RunningApp } from '../../support/app.js';
import { createDatabase, type TestDatabase } from '../../support/database.js';
import { send, type WireAnswer } from '../../support/wire.js';

let database: TestDatabase;
let app: RunningApp;

beforeAll(async () => {
  database = await createDatabase();
});

afterEach(() => app.close());

afterAll(async () => {
  await database.drop();
});

function ask(headers: Record<string, string> = { 'X-User-ID': 'a' }): Promise<WireAnswer> {
  return send(`${app.url}/sync/schema`, { headers });
}

describe.each(ADAPTERS)('backpressure on %s', (_platform, adapter) => {
  async function startWith(synchro: NonNullable<AppOptions['synchro']>): Promise<{ calls: () => number }> {
    app = await startApp({ database, adapter: adapter(), synchro: { replication: false, ...synchro } });
    const engine = app.app.get(SyncEngine, { strict: false });
    const schema = engine.schema.bind(engine);
    let calls = 0;
    engine.schema = () => {
      calls++;
      return schema();
    };
    return { calls: () => calls };
  }

  it.each<[Rejection, string]>([
    [{ status: 429, seconds: 60 }, 'Too Many Requests'],
    [{ status: 503, seconds: 299.5 }, 'Service Unavailable'],
  ])(
    'is told in header and body, and nothing is asked of sync: %j [scenario 155]',
    async (rejection, text) => {
      const { calls } = await startWith({ guards: [UserIdHeaderGuard(), RetryAfterGuard(() => rejection)] });
      const seconds = Math.ceil(rejection.seconds);
      const answers = [
        await ask(),
        await send(`${app.url}/sync/push`, { body: '{}', headers: { 'X-User-ID': 'a' } }),
      ];
      for (const answer of answers) {
        expect(answer.status).toBe(rejection.status);
        expect(answer.headers.get('retry-after')).toBe(String(seconds));
        expect(answer.headers.get('content-type')).toBe('application/json');
        expect(answer.text).toBe(`{"error":"${text}","retry_after":${seconds}}\n`);
      }
      expect(calls()).toBe(0);
    },
  );

  it('is not there when the policy lets the request through [scenario 156]', async () => {
    const { calls } = await startWith({ guards: [UserIdHeaderGuard(), RetryAfterGuard(async () => null)] });
    const answer = await ask();
    expect(answer.status).toBe(200);
    expect(answer.headers.get('retry-after')).toBeNull();
    expect(calls()).toBe(1);
  });

  it('stands where the host lists it: before or after the guard that knows the user', async () => {
    const users: unknown[] = [];
    const guard = RetryAfterGuard((context) => {
      users.push(context.switchToHttp().getRequest().user);
      return { status: 429, seconds: 1 };
    });
    await startWith({ guards: [guard, UserIdHeaderGuard()] });
    expect((await ask({})).status).toBe(429);
    await app.close();
    await startWith({ guards: [UserIdHeaderGuard(), guard] });
    expect((await ask({})).status).toBe(401);
    expect((await ask()).status).toBe(429);
    expect(users).toEqual([undefined, { id: 'a' }]);
  });

  it('may ask a service of an imported module', async () => {
    const guard = RetryAfterGuard({
      inject: [Limiter],
      useFactory: (limiter: Limiter) => () => limiter.check(),
    });
    await startWith({ imports: [LimiterModule], guards: [UserIdHeaderGuard(), guard] });
    const statuses = [];
    for (let n = 0; n < 3; n++) statuses.push((await ask()).status);
    expect(statuses).toEqual([200, 200, 429]);
  });

  it("passes a rate limiter's own exception on, with its header in the body [W-HTTP-1]", async () => {
    await startWith({ guards: [ThrottlerLike, UserIdHeaderGuard()] });
    const answer = await ask();
    expect(answer.status).toBe(429);
    expect(answer.headers.get('retry-after')).toBe('33');
    expect(answer.json).toEqual({ error: 'ThrottlerException: Too Many Requests', retry_after: 33 });
  });

  it('has the default time where a guard says none', async () => {
    for (const [error, status] of [
      [new ServiceUnavailableException('maintenance'), 503],
      [new HttpException('slow down', 429), 429],
    ] as const) {
      const guard: CanActivate = {
        canActivate: () => {
          throw error;
        },
      };
      await startWith({ guards: [guard], retryAfter: 9 });
      const answer = await ask();
      expect(answer).toMatchObject({ status, json: { error: error.message, retry_after: 9 } });
      expect(answer.headers.get('retry-after')).toBe('9');
      await app.close();
    }
  });
});

it("on a host's own route the header is set, in whole seconds", async () => {
  app = await startApp({ database, module: HostModule });
  const answer = await send(`${app.url}/own`);
  expect(answer.status).toBe(503);
  expect(answer.headers.get('retry-after')).toBe('300');
});

@Controller('own')
@UseGuards(RetryAfterGuard(() => ({ status: 503, seconds: 299.5 })))
class OwnController {
  @Get()
  get(): string {
    return 'not reached';
  }
}

@Module({ controllers: [OwnController] })
class HostModule {}

@Injectable()
class Limiter {
  private left = 2;

  check(): Rejection | null {
    return this.left-- > 0 ? null : { status: 429, seconds: 10 };
  }
}

@Module({ providers: [Limiter], exports: [Limiter] })
class LimiterModule {}

/** What @nestjs/throttler does to a request too many. */
@Injectable()
class ThrottlerLike implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    context.switchToHttp().getResponse().header('Retry-After', 33);
    throw new HttpException('ThrottlerException: Too Many Requests', 429);
  }
}
