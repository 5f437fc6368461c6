import { TypeOrmModule } from '@nestjs/typeorm';
import { DataSource, type DataSourceOptions } from 'typeorm';
import { describe, expect, it } from 'vitest';
import { SynchroModule, type SynchroOptions } from '../../lib/index.js';
import { readSettings, type SynchroSettings } from '../../lib/settings/synchro.settings.js';
import { startApp } from '../support/app.js';
import { createDatabase } from '../support/database.js';
import { eventually } from '../support/wait.js';

const DAY = 24 * 3600_000;

function settings(options: Partial<SynchroOptions>): SynchroSettings {
  return readSettings({ userId: () => undefined, ...options });
}

describe('numbers', () => {
  const places: Record<string, (value: number) => Partial<SynchroOptions>> = {
    maxPushChanges: (value) => ({ maxPushChanges: value }),
    maxPageBytes: (value) => ({ maxPageBytes: value }),
    maxBodyBytes: (value) => ({ maxBodyBytes: value }),
    retryAfter: (value) => ({ retryAfter: value }),
    statementTimeout: (value) => ({ statementTimeout: value }),
    'compaction.batchSize': (value) => ({ compaction: { batchSize: value } }),
    'replication.batchRows': (value) => ({ replication: { batchRows: value } }),
    'replication.maxBatchRows': (value) => ({ replication: { maxBatchRows: value } }),
    'replication.maxSubscriptionRows': (value) => ({ replication: { maxSubscriptionRows: value } }),
    'replication.maxBucketsPerRow': (value) => ({ replication: { maxBucketsPerRow: value } }),
  };
  const names = Object.keys(places);
  const nonsense = ['12', Number.NaN, Infinity, -1, 0.5];

  it.each(names.flatMap((name) => nonsense.map((value) => [name, value] as const)))(
    'an error names %s when it is %j',
    (name, value) => {
      const error = caught(() => settings(places[name]?.(value as number) ?? {}));
      expect(error).toMatchObject({ code: 'configuration_invalid' });
      expect(error).toHaveProperty('message', expect.stringContaining(`the option ${name} is`));
    },
  );

  // At 0 a push would be sent again for ever, a page never end, no body be small enough, no batch be full.
  it.each([
    'maxPushChanges',
    'maxPageBytes',
    'maxBodyBytes',
    'replication.batchRows',
    'replication.maxBatchRows',
  ])('%s can not be 0', (name) => {
    expect(() => settings(places[name]?.(0) ?? {})).toThrow(`the option ${name} is`);
  });

  it.each(names)('%s may be any other', (name) => {
    for (const value of [1, 1_000_000]) expect(settings(places[name]?.(value) ?? {})).toBeDefined();
  });
});

describe('durations', () => {
  it.each([
    [5_000, 5_000],
    ['5000', 5_000],
    ['90s', 90_000],
    ['1.5h', 5_400_000],
    ['7 days', 7 * DAY],
    [0, 0],
    [0.4, 0],
  ])('%j is %d ms', (given, expected) => {
    expect(settings({ clockSkewTolerance: given }).clockSkewTolerance).toBe(expected);
  });

  it('are read in every option that takes one', () => {
    const read = settings({
      clockSkewTolerance: '5s',
      snapshotHold: '1h',
      compaction: { staleThreshold: '30d', maxAge: '60d', removeClientsAfter: '1y', interval: '10m' },
      replication: { slotName: 'mine', ruleTimeout: '1m', walSenderTimeout: '20s' },
    });
    expect(read).toMatchObject({
      clockSkewTolerance: 5_000,
      snapshotHold: 3_600_000,
      compaction: {
        staleThreshold: 30 * DAY,
        maxAge: 60 * DAY,
        removeClientsAfter: 365.25 * DAY,
        interval: 600_000,
      },
      replication: { slotName: 'mine', ruleTimeout: 60_000, walSenderTimeout: 20_000 },
    });
  });

  const nonsense = ['soon', '', '7 fortnights', '-1s', -1, Number.NaN, Infinity, '200y'];
  const places: Record<string, (value: string | number) => Partial<SynchroOptions>> = {
    clockSkewTolerance: (value) => ({ clockSkewTolerance: value }),
    snapshotHold: (value) => ({ snapshotHold: value }),
    'compaction.staleThreshold': (value) => ({ compaction: { staleThreshold: value } }),
    'compaction.maxAge': (value) => ({ compaction: { maxAge: value } }),
    'compaction.removeClientsAfter': (value) => ({ compaction: { removeClientsAfter: value } }),
    'compaction.interval': (value) => ({ compaction: { interval: value } }),
    'replication.ruleTimeout': (value) => ({ replication: { ruleTimeout: value } }),
    'replication.walSenderTimeout': (value) => ({ replication: { walSenderTimeout: value } }),
  };

  it.each(Object.keys(places).flatMap((name) => nonsense.map((value) => [name, value] as const)))(
    'an error names %s when it is %j',
    (name, value) => {
      const error = caught(() => settings(places[name]?.(value) ?? {}));
      expect(error).toMatchObject({ code: 'configuration_invalid' });
      expect(error).toHaveProperty('message', expect.stringContaining(`the option ${name} is`));
    },
  );

  it.each([
    ['snapshotHold', 0], // no page would find the hold of the one before
    ['compaction.interval', '25d'], // a timer that long fires at once
    ['replication.walSenderTimeout', '25d'],
  ])('%s can not be %j', (name, value) => {
    expect(() => settings(places[name]?.(value) ?? {})).toThrow(`the option ${name} is`);
  });

  it('that are wrong stop the start of the app', async () => {
    const database = await createDatabase();
    let connected: DataSource | undefined;
    const typeorm = TypeOrmModule.forRootAsync({
      useFactory: () => ({ type: 'postgres', url: database.url }),
      dataSourceFactory: async (options?: DataSourceOptions) => {
        if (!options) throw new Error('TypeOrmModule gave no options');
        connected = await new DataSource(options).initialize();
        return connected;
      },
    });
    const sync = SynchroModule.forRoot({ userId: () => undefined, compaction: { interval: 'hourly' } });
    try {
      await expect(
        startApp({ database, module: { module: HostModule, imports: [typeorm, sync] } }),
      ).rejects.toThrow('the option compaction.interval is "hourly"');
      // Nest does not close what it had begun to start.
      await eventually(() => connected?.isInitialized ?? false);
      await connected?.destroy();
    } finally {
      await database.drop();
    }
  });
});

class HostModule {}

describe('the compaction options', () => {
  const defaults = {
    staleThreshold: 7 * DAY,
    batchSize: 10_000,
    removeClientsAfter: 90 * DAY,
    maxAge: 30 * DAY,
    interval: null,
  };

  it('have defaults [scenario 126]', () => {
    expect(settings({ compaction: {} }).compaction).toEqual(defaults);
  });

  it('are kept [scenario 127]', () => {
    const { compaction } = settings({ compaction: { staleThreshold: '1h', batchSize: 500 } });
    expect(compaction).toEqual({ ...defaults, staleThreshold: 3_600_000, batchSize: 500 });
  });

  it('are the defaults when they are zero [scenario 128]', () => {
    const zero = { staleThreshold: 0, batchSize: 0, removeClientsAfter: '0d', maxAge: 0, interval: 0 };
    expect(settings({ compaction: zero }).compaction).toEqual(defaults);
  });

  it.each([-1, 1.5, Number.NaN])('batchSize can not be %d', (batchSize) => {
    expect(() => settings({ compaction: { batchSize } })).toThrow('compaction.batchSize');
  });
});

function caught(work: () => unknown): unknown {
  try {
    return work();
  } catch (error) {
    return error;
  }
}
