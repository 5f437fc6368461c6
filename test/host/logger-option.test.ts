import { Logger, type LoggerService } from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { JwtGuard, SyncEngine, UserIdHeaderGuard } from 'nestjs-synchro';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { startApp, type AppOptions, type RunningApp } from '../support/app.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { send } from '../support/wire.js';
import { eventually } from '../support/wait.js';

/** The messages that the host's logger was given, and those that went to Nest's. */
let given: string[] = [];
let nests: string[] = [];

const take = (entry: unknown): void => void given.push((entry as { message: string }).message);
const logger: LoggerService = { log: take, error: take, warn: take };

function ofSync(messages: readonly string[]): readonly string[] {
  return messages.filter((message) => /UserIdHeaderGuard|nobody can sync|Web Key|compaction/.test(message));
}

describe('the option logger', () => {
  let database: TestDatabase;
  let app: RunningApp;

  beforeAll(async () => {
    database = await createDatabase();
  });

  beforeEach(() => {
    [given, nests] = [[], []];
    for (const level of ['log', 'warn', 'error'] as const)
      vi.spyOn(Logger.prototype, level).mockImplementation(
        (message: unknown) => void nests.push(String(message)),
      );
  });

  afterEach(async () => {
    await app.close();
    vi.restoreAllMocks();
  });

  afterAll(() => database.drop());

  async function start(
    synchro: NonNullable<AppOptions['synchro']>,
    host: AppOptions['host'] = {},
  ): Promise<void> {
    app = await startApp({ database, host, synchro: { logger, replication: false, ...synchro } });
  }

  it('takes what the guards say', async () => {
    await start({ guards: [UserIdHeaderGuard(), JwtGuard({ jwksUrl: 'http://127.0.0.1:1/keys' })] });
    const token = `${Buffer.from('{"alg":"RS256"}').toString('base64url')}.e30.c2ln`;
    await send(`${app.url}/sync/schema`, { headers: { 'X-User-ID': 'a', Authorization: `Bearer ${token}` } });
    expect(ofSync(given)).toEqual([
      expect.stringContaining('UserIdHeaderGuard'),
      expect.stringContaining("the JSON Web Key Set can't be read"),
    ]);
    expect(ofSync(nests)).toEqual([]);
  });

  it('takes what a global guard says, where the module of the guard imports sync', async () => {
    const guard = UserIdHeaderGuard();
    await start({ guards: [], isGlobal: true }, { providers: [{ provide: APP_GUARD, useClass: guard }] });
    expect(ofSync(given)).toEqual([expect.stringContaining('UserIdHeaderGuard')]);
    expect(ofSync(nests)).toEqual([]);
  });

  it('takes the hint that nobody can sync', async () => {
    await start({ guards: [] });
    await send(`${app.url}/sync/schema`, {});
    expect(ofSync(given)).toEqual([expect.stringContaining('nobody can sync')]);
    expect(ofSync(nests)).toEqual([]);
  });

  it('takes what goes wrong in the background', async () => {
    await start({ guards: [], compaction: { interval: 20 } });
    vi.spyOn(app.app.get(SyncEngine, { strict: false }), 'runCompaction').mockRejectedValue(new Error('no'));
    await eventually(() => expect(ofSync(given)).toContain('compaction failed'));
    expect(ofSync(nests)).toEqual([]);
  });
});
