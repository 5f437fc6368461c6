import { Logger } from '@nestjs/common';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi, type Mock } from 'vitest';
import { firstDelay } from '../../lib/engine/compaction/compaction-schedule.js';
import { Compactor } from '../../lib/engine/compaction/compactor.js';
import {
  SyncEngine,
  type CompactionOptions,
  type CompactionResult,
  type SynchroOptions,
} from '../../lib/index.js';
import { startApp, type RunningApp } from '../support/app.js';
import { withClient } from '../support/client.js';
import { consumed, logState } from '../support/consumer.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { Device } from '../support/device.js';
import { insertTasks } from '../support/sample-rows.js';
import { eventually } from '../support/wait.js';

/** The test's lock: while it has it, every deletion of entries waits. */
const GATE = 4711;

let database: TestDatabase;
const apps: RunningApp[] = [];

beforeAll(async () => {
  database = await createDatabase();
  await start({});
  await database.query(
    `CREATE FUNCTION gate() RETURNS trigger LANGUAGE plpgsql AS
       'BEGIN PERFORM pg_advisory_xact_lock_shared(${GATE}); RETURN NULL; END';
     CREATE TRIGGER gate BEFORE DELETE ON sync_changelog EXECUTE FUNCTION gate()`,
  );
  await closeAll();
});
afterEach(async () => {
  vi.restoreAllMocks();
  await closeAll();
});
afterAll(async () => {
  await database.drop();
});

async function closeAll(): Promise<void> {
  await Promise.all(apps.splice(0).map((app) => app.close()));
}

async function start(
  compaction: CompactionOptions,
  options: Partial<SynchroOptions> = {},
): Promise<RunningApp> {
  const app = await startApp({ database, synchro: { compaction, ...options } });
  apps.push(app);
  return app;
}

function engineOf(app: RunningApp): SyncEngine {
  return app.app.get(SyncEngine, { strict: false });
}

/** The runs of an app's background compaction, from now on, with their results. */
function runsOf(app: RunningApp): Mock<(options: { wait: boolean }) => Promise<CompactionResult | null>> {
  return vi.spyOn(engineOf(app), 'runCompaction');
}

/** What was not removed: null. */
async function results(runs: ReturnType<typeof runsOf>): Promise<readonly (CompactionResult | null)[]> {
  return Promise.all(runs.mock.results.map(({ value }) => value));
}

/** Entries that wait to be removed. */
async function entries(count: number): Promise<void> {
  await database.query('DELETE FROM sync_clients');
  const device = new Device(apps[0]?.url ?? '', 'alice');
  await device.start();
  await insertTasks(database, 'alice', 'entry', count);
  await consumed(database);
  await device.pull();
  await device.pull();
}

/** Runs `work` while no entry can be deleted. */
async function withGateShut(work: (open: () => Promise<void>) => Promise<void>): Promise<void> {
  await withClient(database.url, async (gate) => {
    await gate.query('SELECT pg_advisory_lock($1)', [GATE]);
    await work(async () => {
      await gate.query('SELECT pg_advisory_unlock($1)', [GATE]);
    });
  });
}

/** Backends that wait for an advisory lock: `gate` in a deletion, `turn` before a run. */
async function waiting(): Promise<{ readonly gate: number; readonly turn: number }> {
  const [row] = await database.query<{ gate: number; turn: number }>(
    `SELECT count(*) FILTER (WHERE query LIKE '%sync_changelog%')::integer AS gate,
            count(*) FILTER (WHERE application_name = 'nestjs-synchro compaction')::integer AS turn
       FROM pg_stat_activity
      WHERE datname = current_database() AND wait_event_type = 'Lock' AND wait_event = 'advisory'`,
  );
  return row ?? { gate: 0, turn: 0 };
}

describe('with an interval', () => {
  it('entries go by themselves', async () => {
    const app = await start({ interval: 50 });
    await entries(3);
    await eventually(async () => (await logState(database)).entries === 0);
    const runs = runsOf(app);
    await eventually(() => runs.mock.calls.length >= 2);
    expect(runs.mock.calls[0]).toEqual([{ wait: false }]);
  });

  it('one instance runs at a time, the others skip [W-CMP-5]', async () => {
    const first = await start({ interval: 50 });
    await entries(3);
    await withGateShut(async (open) => {
      await insertTasks(database, 'alice', 'more', 3);
      await eventually(async () => (await waiting()).gate === 1);
      const firstRuns = runsOf(first);
      const second = runsOf(await start({ interval: 50 }));
      const third = runsOf(await start({ interval: 50 }));
      await eventually(() => second.mock.results.length >= 3 && third.mock.results.length >= 3);
      expect(await results(second)).toEqual(second.mock.results.map(() => null));
      expect(await results(third)).toEqual(third.mock.results.map(() => null));
      expect(firstRuns, 'the interval counts from the end of a run').not.toHaveBeenCalled();
      expect(await waiting()).toEqual({ gate: 1, turn: 0 });
      await open();
      await eventually(() => firstRuns.mock.calls.length > 0);
      await eventually(async () => (await results(second)).some((result) => result !== null));
    });
  });

  it('a failure is logged once, and the run repeated after the interval', async () => {
    const errors = vi.spyOn(Logger.prototype, 'error').mockImplementation(() => undefined);
    const app = await start({ interval: 50 });
    const runs = runsOf(app);
    await database.query('ALTER TABLE sync_changelog RENAME TO gone');
    try {
      await eventually(() => errors.mock.calls.length >= 2);
    } finally {
      await database.query('ALTER TABLE gone RENAME TO sync_changelog');
    }
    const failed = await Promise.allSettled(runs.mock.results.map(({ value }) => value));
    const reasons = failed.filter(({ status }) => status === 'rejected').length;
    expect(
      errors.mock.calls.filter(([message]) => String(message).startsWith('compaction failed')).length,
    ).toBe(reasons);
    const { length } = runs.mock.results;
    await eventually(() => runs.mock.results.length > length + 1);
    expect(await runs.mock.results[length + 1]?.value).toMatchObject({ deletedEntries: 0 });
  });

  it('the first run comes after half to all of it, ten minutes at most [W-CMP-5]', () => {
    expect(firstDelay(60_000, () => 0)).toBe(60_000);
    expect(firstDelay(60_000, () => 1)).toBe(30_000);
    expect(firstDelay(24 * 3600_000, () => 0)).toBe(600_000);
    expect(new Set(Array.from({ length: 20 }, () => firstDelay(3600_000))).size).toBeGreaterThan(1);
  });
});

describe('a manual run', () => {
  it('waits for another instance, and then runs [W-CMP-5]', async () => {
    const [first, second] = [await start({}), await start({})];
    await entries(3);
    await withGateShut(async (open) => {
      const running = engineOf(first).runCompaction();
      await eventually(async () => (await waiting()).gate === 1);
      const manual = engineOf(second).runCompaction();
      await eventually(async () => (await waiting()).turn === 1);
      expect(await engineOf(second).runCompaction({ wait: false })).toBeNull();
      await open();
      const safeSeq = (await running).safeSeq;
      expect((await running).deletedEntries).toBeGreaterThanOrEqual(3);
      expect(await manual).toMatchObject({ deletedEntries: 0, safeSeq });
    });
  });

  it('keeps no device waiting', async () => {
    const app = await start({});
    await entries(3);
    await withGateShut(async (open) => {
      const running = engineOf(app).runCompaction();
      await eventually(async () => (await waiting()).gate === 1);
      const device = new Device(app.url, 'alice');
      await device.schema();
      device.create('tasks', { title: 'meanwhile', user_id: 'alice' });
      await device.register();
      await device.pushPending();
      await device.snapshot();
      await device.pull();
      expect(await waiting()).toEqual({ gate: 1, turn: 0 });
      await open();
      expect((await running).deletedEntries).toBeGreaterThanOrEqual(3);
    });
  });

  it('leaves nothing behind: no connection, no lock', async () => {
    const app = await start({});
    await engineOf(app).runCompaction();
    await eventually(async () => {
      const left = await database.query(
        `SELECT FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'nestjs-synchro compaction'`,
      );
      return left.length === 0;
    });
  });
});

describe('when the app stops', () => {
  it('it waits for the batch at hand, and the next run goes on from there', async () => {
    const app = await start({ batchSize: 2 });
    const next = await start({}, { replication: false });
    await entries(6);
    const before = (await logState(database)).entries;
    await withGateShut(async (open) => {
      const run = engineOf(app).runCompaction();
      await eventually(async () => (await waiting()).gate === 1);
      const closed = app.close();
      // The consumer and the compactor are told to stop at the same time.
      await eventually(async () => {
        const slots = await database.query('SELECT active FROM pg_replication_slots WHERE slot_name = $1', [
          database.slotName,
        ]);
        return slots[0]?.['active'] === false;
      });
      await open();
      expect(await run).toMatchObject({ deletedEntries: 2 });
      await closed;
    });
    expect((await logState(database)).entries).toBe(before - 2);
    const { deletedEntries } = await engineOf(next).runCompaction();
    expect(deletedEntries).toBe(before - 2);
  });

  it('a run that waits for its turn is given up', async () => {
    const [first, second] = [await start({}), await start({})];
    await entries(1);
    await withGateShut(async (open) => {
      const running = engineOf(first).runCompaction();
      await eventually(async () => (await waiting()).gate === 1);
      const manual = engineOf(second).runCompaction();
      const refused = expect(manual).rejects.toMatchObject({ code: 'temporarily_unavailable' });
      await eventually(async () => (await waiting()).turn === 1);
      await second.close();
      await refused;
      await open();
      await running;
    });
  });

  it('a run that is just connecting is given up, too', async () => {
    const compactor = (await start({})).app.get(Compactor, { strict: false });
    const refused = expect(compactor.run({ wait: false })).rejects.toMatchObject({
      code: 'temporarily_unavailable',
    });
    await compactor.stop();
    await refused;
  });

  it('its timer stops', async () => {
    const app = await start({ interval: 20 });
    const runs = runsOf(app);
    await eventually(() => runs.mock.calls.length >= 2);
    await app.close();
    const { length } = runs.mock.calls;
    await start({}); // long enough for many intervals
    expect(runs.mock.calls.length).toBe(length);
  });
});
