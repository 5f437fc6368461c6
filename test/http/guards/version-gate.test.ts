import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { checkMinimum, checkVersion } from '../../../lib/engine/request/version-gate.js';
import { startApp, type RunningApp } from '../../support/app.js';
import { createDatabase, type TestDatabase } from '../../support/database.js';
import { send, type WireAnswer } from '../../support/wire.js';

const upgrade = expect.objectContaining({ code: 'upgrade_required', message: 'client upgrade required' });

function verdict(version: string, minimum = ''): unknown {
  try {
    checkVersion(version, minimum);
    return 'passes';
  } catch (error) {
    return error;
  }
}

describe('the version gate', () => {
  it.each([
    '1.2.3',
    'v2.0.1',
    '1.0.0-beta',
    '3.2.1+build.42',
    'v0.9.1-rc.1',
    '0.0.0',
    '01.002.3',
    '1.2.3-beta_1',
    '1.2.3-01',
    '1.2.3+build_42',
    '2024.05.12',
  ])('knows %s for a version [scenarios 49-54]', (version) => {
    expect(verdict(version, '0.0.0')).toBe('passes');
    expect(verdict(version, '9999.0.0')).toEqual(upgrade);
  });

  it.each(['1.2', 'x.2.3', '1.x.3', '1.2.x', '1.2.3.4', 'new', '1', '-1.2.3', `1.2.3${'4'.repeat(300)}`])(
    'refuses %s, and not for being old [scenarios 55-59, 75] [W-HTTP-6]',
    (version) => {
      expect(verdict(version, '1.0.0')).toMatchObject({ code: 'bad_request' });
    },
  );

  it.each([
    ['1.2.3', '1.2.3', true],
    ['2.0.0', '1.9.9', true],
    ['1.3.0', '1.2.9', true],
    ['1.2.4', '1.2.3', true],
    ['1.10.0', '1.9.0', true],
    ['0.9.9', '1.0.0', false],
    ['1.1.9', '1.2.0', false],
    ['1.2.2', '1.2.3', false],
    ['v1.2.2', '1.2.3', false],
    ['v1.2.3', 'v1.2.3', true],
    ['1.2.3-beta', '1.2.3', true],
    ['1.2.3', '1.2.3-beta', true],
    ['1.2.2+9', '1.2.3-beta', false],
  ])('%s against %s: %s [scenarios 60-74]', (version, minimum, passes) => {
    expect(verdict(version, minimum)).toEqual(passes ? 'passes' : upgrade);
  });

  it('is open to who says no version, and where no minimum is set [scenario 59]', () => {
    expect(verdict('', '1.2.3')).toBe('passes');
    expect(verdict('0.0.1', '')).toBe('passes');
    expect(verdict('nonsense')).toBe('passes');
  });

  it('has a minimum that is a version, or none [scenario 76]', () => {
    for (const minimum of ['1.2', 'latest', '^1.2.3', '1.2.3.4']) {
      expect(() => checkMinimum(minimum)).toThrow(
        expect.objectContaining({
          code: 'configuration_invalid',
          message: expect.stringContaining(`minClientVersion is not a semantic version: ${minimum}`),
        }),
      );
    }
    for (const minimum of ['', '1.2.3', 'v1.2.3', '1.2.3-beta']) checkMinimum(minimum);
  });
});

describe('over HTTP', () => {
  let database: TestDatabase;
  let app: RunningApp;

  beforeAll(async () => {
    database = await createDatabase();
  });

  afterAll(async () => {
    await database.drop();
  });

  const ask = (headers: Record<string, string>): Promise<WireAnswer> =>
    send(`${app.url}/sync/schema`, { headers: { 'X-User-ID': 'a', ...headers } });

  it.each([
    ['Express', (): ExpressAdapter => new ExpressAdapter()],
    ['Fastify', (): FastifyAdapter => new FastifyAdapter()],
  ])('the header may have another name: %s', async (_, adapter) => {
    const synchro = { replication: false, minClientVersion: '1.2.0', versionHeader: 'X-My-Version' } as const;
    app = await startApp({ database, adapter: adapter(), synchro });
    try {
      expect(await ask({ 'X-My-Version': '1.1.0' })).toMatchObject({
        status: 426,
        json: { error: 'client upgrade required' },
      });
      expect((await ask({ 'X-My-Version': '1.2.0' })).status).toBe(200);
      expect((await ask({ 'X-My-Version': '' })).status).toBe(200);
      expect((await ask({ 'X-App-Version': '1.1.0' })).status).toBe(200);
    } finally {
      await app.close();
    }
  });

  it('a minimum that is no version stops the start', async () => {
    const synchro = { replication: false, minClientVersion: '1.2' } as const;
    await expect(startApp({ database, synchro })).rejects.toMatchObject({ code: 'configuration_invalid' });
  });
});
