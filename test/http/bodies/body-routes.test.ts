import { connect } from 'node:net';
import { Body, Controller, Post, VersioningType } from '@nestjs/common';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { ADAPTERS } from '../../support/adapters.js';
import { startApp, type AppOptions, type RunningApp } from '../../support/app.js';
import { createDatabase, type TestDatabase } from '../../support/database.js';
import { eventually } from '../../support/wait.js';
import { send } from '../../support/wire.js';

const ALICE = { 'X-User-ID': 'alice' };
const NO_SCHEMA = { status: 400, json: { error: 'schema_version is required' } };

let database: TestDatabase;
let app: RunningApp;

beforeAll(async () => {
  database = await createDatabase();
});
afterEach(() => app.close());
afterAll(() => database.drop());

/** One is at the very place of a route of ours where the module's path is empty. */
@Controller()
class OwnRoutes {
  @Post(['admin/sync/push', 'sync/push/all', ':any/sync/pull', 'push'])
  echo(@Body() body: unknown): unknown {
    return { body };
  }
}

/** What the server says to a POST, as it is written here, of whose body only the beginning comes. */
async function begun(target: string, headers: readonly string[]): Promise<string> {
  const { hostname, port } = new URL(app.url);
  const socket = connect(Number(port), hostname);
  let answer = '';
  socket.setEncoding('latin1').on('data', (text: string) => (answer += text));
  try {
    const lines = [`POST ${target} HTTP/1.1`, 'Host: a', 'Content-Type: application/json', ...headers];
    socket.write(`${lines.join('\r\n')}\r\n\r\n{"n":`);
    await eventually(() => expect(answer).toContain('\r\n\r\n'));
    return answer;
  } finally {
    socket.destroy();
  }
}

interface Express {
  all(path: RegExp, handler: (request: object, response: object, next: () => void) => void): void;
}

function handingOn(each: RunningApp['app']): void {
  const express = each.getHttpAdapter().getInstance() as Express;
  express.all(/.*/, (_request, _response, next) => next());
}

function versioned(each: RunningApp['app']): void {
  each.setGlobalPrefix('api/:tenant');
  each.enableVersioning({ type: VersioningType.URI, defaultVersion: ['1', '2'] });
}

describe.each(ADAPTERS)('on %s', (platform, adapter) => {
  async function start(options: Omit<AppOptions, 'database'> = {}): Promise<void> {
    const synchro = { replication: false, ...options.synchro } as const;
    app = await startApp({ database, adapter: adapter(), ...options, synchro });
  }

  it.each(['/sync/push', 'http://a/sync/push', '/sync/push#x', '/sync/push?x=/a?b#c'])(
    'a body for %s is not read before the guards have passed [W-LOAD-6]',
    async (target) => {
      await start();
      expect(await begun(target, ['Content-Length: 90000'])).toContain(' 401 ');
      // The rest is not waited for, and what is sent is ours to read.
      expect(await begun(target, ['Content-Length: 5', 'X-User-ID: alice'])).toContain(
        'invalid request body',
      );
    },
  );

  it.each(['admin/sync/push', 'sync/push/all', 'other/sync/pull'])(
    "the host's route %s keeps its body [W-LOAD-8]",
    async (path) => {
      await start({ host: { controllers: [OwnRoutes] } });
      expect(await send(`${app.url}/${path}`, { body: { n: 1 } })).toMatchObject({
        json: { body: { n: 1 } },
      });
      expect(await send(`${app.url}/sync/push`, { body: {}, headers: ALICE })).toMatchObject(NO_SCHEMA);
    },
  );

  it('versions, and a prefix with a parameter, change nothing [W-LOAD-8]', async () => {
    await start({ host: { controllers: [OwnRoutes] }, configure: versioned });
    const own = await send(`${app.url}/api/t/v2/admin/sync/push`, { body: { n: 1 } });
    expect(own).toMatchObject({ json: { body: { n: 1 } } });
    expect(await send(`${app.url}/api/t/sync/push`, { body: {}, headers: ALICE })).toMatchObject(NO_SCHEMA);
  });

  // Fastify takes no second route of one path.
  const onExpress = platform === 'Express' ? it : null;
  onExpress?.("a host's route at the place of one of ours keeps its body [W-LOAD-8]", async () => {
    await start({ synchro: { path: '' }, host: { controllers: [OwnRoutes] } });
    expect(await send(`${app.url}/push`, { body: { n: 1 } })).toMatchObject({ json: { body: { n: 1 } } });
    expect(await send(`${app.url}/register`, { body: {}, headers: ALICE })).toMatchObject(NO_SCHEMA);
  });

  onExpress?.("a route of Express's own that hands on changes nothing [W-LOAD-8]", async () => {
    await start({ configure: handingOn });
    expect(await begun('/sync/push', ['Content-Length: 90000'])).toContain(' 401 ');
  });
});
