import type { LoggerService } from '@nestjs/common';
import { SyncEngine } from 'nestjs-synchro';
import { afterAll, afterEach, beforeAll, expect, it, vi } from 'vitest';
import { startApp, type RunningApp } from '../support/app.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { Device } from '../support/device.js';
import { insertTask } from '../support/sample-rows.js';
import { eventually } from '../support/wait.js';

let database: TestDatabase;
let app: RunningApp | undefined;

beforeAll(async () => {
  database = await createDatabase();
});
afterEach(async () => {
  await app?.close();
  vi.restoreAllMocks();
});
afterAll(() => database.drop());

/** A logger that fails in its way at everything. */
function failing(fail: () => unknown): { readonly logger: LoggerService; readonly lines: string[] } {
  const lines: string[] = [];
  const take = (entry: unknown): unknown => {
    lines.push((entry as { message: string }).message);
    return fail();
  };
  return { logger: { log: take, error: take, warn: take, debug: take }, lines };
}

const FAILURES: readonly (readonly [string, () => unknown])[] = [
  [
    'throws',
    () => {
      throw new Error('the disk is full');
    },
  ],
  [
    'throws what is no error',
    () => {
      throw Object.create(null);
    },
  ],
  ['rejects', () => Promise.reject(new Error('the log server is away'))],
];

// A rejection that nobody handles fails the run.
it.each(FAILURES)("a host's logger that %s costs nobody anything [W-HOST-38]", async (_, fail) => {
  const { logger, lines } = failing(fail);
  const stderr = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
  app = await startApp({ database, synchro: { logger, compaction: { interval: 20 } } });
  const compaction = vi.spyOn(app.app.get(SyncEngine, { strict: false }), 'runCompaction');
  compaction.mockRejectedValue(new Error('no'));
  await eventually(() => expect(lines).toContain('compaction failed'));
  // The next run comes, too.
  compaction.mockClear();
  await eventually(() => expect(compaction).toHaveBeenCalled());
  const alice = new Device(app.url, 'alice');
  await alice.start();
  const before = lines.length;
  const cut = `SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = $1`;
  await database.query(cut, [database.slotName]);
  await eventually(() =>
    expect(lines.slice(before).some((line) => line.startsWith('the WAL consumer stopped'))).toBe(true),
  );
  const id = await insertTask(database, 'alice', 'afterwards');
  await eventually(async () => {
    await alice.sync();
    expect(alice.row('tasks', id)).toBeDefined();
  });
  const told = stderr.mock.calls.map(([text]) => String(text)).join('');
  expect(told).toContain('the logger failed');
  expect(told).toContain('compaction failed');
});
