import { Injectable } from '@nestjs/common';
import {
  OnCompaction,
  OnPullComplete,
  OnSnapshotRequired,
  SyncEngine,
  SyncOperations,
  SyncStatus,
} from 'nestjs-synchro';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startApp, type RunningApp } from '../support/app.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { Device } from '../support/device.js';
import { insertTask } from '../support/sample-rows.js';

@Injectable()
class Events {
  readonly seen: unknown[] = [];

  @OnPullComplete()
  @OnSnapshotRequired()
  @OnCompaction()
  keep(event: object): void {
    this.seen.push(event);
  }
}

let database: TestDatabase;
let app: RunningApp;

beforeAll(async () => {
  database = await createDatabase();
  app = await startApp({
    database,
    synchro: { compaction: {} },
    host: { providers: [Events] },
  });
});

afterAll(async () => {
  await app.close();
  await database.drop();
});

it('every result and event can be returned from a controller as it is [W-HOST-14]', async () => {
  const alice = new Device(app.url, 'alice');
  await alice.start();
  await insertTask(database, 'alice', 'one');
  await app.app.get(SyncEngine).caughtUp();
  await alice.pull();
  // Above every seq: the device has to take a snapshot, and the hook is told.
  await alice.pullPage({ checkpoint: 1_000_000 });
  const engine = app.app.get(SyncEngine);
  const operations = app.app.get(SyncOperations);
  const results = {
    compaction: await engine.runCompaction(),
    status: await app.app.get(SyncStatus).read(),
    clients: await engine.clients('alice'),
    schemas: await engine.schemaHistory(),
    failures: await operations.ruleFailures(),
    waiting: await operations.waitingRows(),
    parked: await operations.parkedRows(),
    events: app.app.get(Events).seen,
  };
  // What Nest does with what a controller returns.
  const answer = JSON.parse(JSON.stringify(results)) as Record<string, unknown>;
  const seq = expect.stringMatching(/^\d+$/) as string;
  expect(answer).toMatchObject({
    compaction: { safeSeq: seq },
    status: { changelog: { lastSeq: seq, floorSeq: seq, epochSeq: seq } },
    clients: [{ checkpoint: seq }],
    schemas: [{ version: seq }],
  });
  expect(answer['events']).toEqual(
    expect.arrayContaining([
      expect.objectContaining({ checkpoint: '1000000', minSeq: seq }),
      expect.objectContaining({ checkpoint: seq, count: 1 }),
      { result: answer['compaction'] },
    ]),
  );
});
