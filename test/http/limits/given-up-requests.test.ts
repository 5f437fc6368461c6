import { randomUUID } from 'node:crypto';
import { concatWith, type Observable, Subject, takeUntil, timeout } from 'rxjs';
import type { CallHandler, ExecutionContext, NestInterceptor } from '@nestjs/common';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { type RunningApp, startApp } from '../../support/app.js';
import { createDatabase, type TestDatabase } from '../../support/database.js';
import { Device } from '../../support/device.js';
import { waitingForLocks, whileLocked } from '../../support/locks.js';
import { eventually } from '../../support/wait.js';
import type { SchemaIds } from '../../support/wire.js';

/** As hosts have one for all their routes, with a time that a test chooses, and a way to give up what is at work. */
class TimeoutInterceptor implements NestInterceptor {
  milliseconds = 60_000;
  readonly givenUp = new Subject<void>();
  /** The host answers what it has given up once this completes. */
  readonly late = new Subject<void>();

  entered = 0;

  intercept(_: ExecutionContext, next: CallHandler): Observable<unknown> {
    this.entered += 1;
    return next.handle().pipe(timeout(this.milliseconds), takeUntil(this.givenUp), concatWith(this.late));
  }
}

const USER = 'ann';

let database: TestDatabase;
let app: RunningApp;
let timeouts: TimeoutInterceptor;
let device: Device;
let schema: SchemaIds;

beforeEach(async () => {
  database = await createDatabase();
  timeouts = new TimeoutInterceptor();
  app = await startApp({
    database,
    synchro: { limits: { requestsPerUser: 2 } },
    configure: (nest) => nest.useGlobalInterceptors(timeouts),
  });
  device = new Device(app.url, USER);
  await device.start();
  schema = await device.schema();
  timeouts.entered = 0;
});
afterEach(async () => {
  timeouts.late.complete();
  await app.close();
  await database.drop();
});

/** @returns the status of the answer */
async function push(): Promise<number> {
  const { schema_version, schema_hash } = schema;
  const data = { title: 'x', user_id: USER };
  const changes = [{ id: randomUUID(), table_name: 'tasks', operation: 'create', data }];
  const response = await fetch(`${app.url}/sync/push`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-user-id': USER },
    body: JSON.stringify({ client_id: device.clientId, schema_version, schema_hash, changes }),
  });
  await response.arrayBuffer();
  return response.status;
}

it('pushes that a host gives up as they are let in come to their end [W-LOAD-38]', async () => {
  let held: readonly Promise<number>[] = [];
  await whileLocked(database, 'tasks', async () => {
    held = [push(), push()];
    await eventually(async () => (await waitingForLocks(database)) === 1 && timeouts.entered === 2);
    timeouts.givenUp.next();
  });
  expect(await Promise.all(held)).toEqual([200, 200]);
  expect(await push()).toBe(200);
}, 30_000);

it("a push that a host's timeout gives up keeps its place until it has ended [W-LOAD-38]", async () => {
  await whileLocked(database, 'tasks', async () => {
    timeouts.milliseconds = 300;
    const first = push();
    await eventually(async () => (await waitingForLocks(database)) === 1);
    expect(await first).toBe(500);
    expect(await push()).toBe(500);
    expect(await waitingForLocks(database)).toBe(1);
    timeouts.milliseconds = 60_000;
  });
  expect(await push()).toBe(200);
});

it('registrations of clients that hang up keep their places until they have ended [W-LOAD-39]', async () => {
  const { schema_version, schema_hash } = schema;
  const register = (signal?: AbortSignal): Promise<number> =>
    fetch(`${app.url}/sync/register`, {
      method: 'POST',
      ...(signal && { signal }),
      headers: { 'content-type': 'application/json', 'x-user-id': USER },
      body: JSON.stringify({
        client_id: randomUUID(),
        platform: 'test',
        app_version: '1.0.0',
        schema_version,
        schema_hash,
      }),
    }).then(({ status }) => status);
  const other = new Device(app.url, 'ben');
  const ended: string[] = [];
  let next = Promise.resolve();
  await whileLocked(database, 'sync_clients', async () => {
    const hanging = new AbortController();
    const first = [register(hanging.signal), register(hanging.signal)];
    await eventually(async () => (await waitingForLocks(database)) === 2);
    hanging.abort();
    expect((await Promise.allSettled(first)).map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    next = device.schema().then(() => void ended.push('next'));
    for (let request = 0; request < 10; request++) await other.schema();
    ended.push('unlocked');
  });
  await next;
  expect(ended).toEqual(['unlocked', 'next']);
});
