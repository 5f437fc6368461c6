import { randomUUID } from 'node:crypto';
import { getDataSourceToken } from '@nestjs/typeorm';
import type { DataSource } from 'typeorm';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startApp, type RunningApp } from '../support/app.js';
import { consumed } from '../support/consumer.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { Device } from '../support/device.js';
import { insertTask } from '../support/sample-rows.js';
import { eventually } from '../support/wait.js';

const CONNECTIONS = 10;

let database: TestDatabase;
let consumer: RunningApp;

beforeAll(async () => {
  database = await createDatabase();
  consumer = await startApp({ database });
});

afterAll(async () => {
  await consumer.close();
  await database.drop();
});

interface Site {
  readonly app: RunningApp;
  readonly device: Device;
  /** The same statement on every connection of the pool. */
  readonly everywhere: (sql: string) => Promise<readonly { n: string }[]>;
  /** A new task, which a pull has to bring. */
  readonly pullOne: () => Promise<void>;
}

async function site(preparedStatements?: boolean): Promise<Site> {
  const app = await startApp({ database, synchro: { replication: false, preparedStatements } });
  const dataSource = app.app.get<DataSource>(getDataSourceToken(), { strict: false });
  const device = new Device(app.url, `user-${randomUUID()}`);
  await device.start();
  return {
    app,
    device,
    everywhere: async (sql) => {
      let arrived = 0;
      const each = Array.from({ length: CONNECTIONS }, () =>
        dataSource.transaction(async (manager) => {
          // Held until all are.
          arrived++;
          await eventually(() => Promise.resolve(arrived === CONNECTIONS));
          return manager.query<{ n: string }[]>(sql);
        }),
      );
      return (await Promise.all(each)).flat();
    },
    pullOne: async () => {
      const id = await insertTask(database, device.userId, 'new');
      await consumed(database);
      const pages = await device.pull();
      expect(pages.flatMap(({ changes }) => changes.map((change) => change.id))).toEqual([id]);
    },
  };
}

const NAMES = `SELECT name AS n FROM pg_prepared_statements WHERE name LIKE 'synchro%'`;

it('a connection keeps the statements of requests, as many after a hundred pulls as after ten', async () => {
  const { app, device, everywhere, pullOne } = await site();
  await pullOne();
  for (let n = 0; n < 10; n++) await device.pull();
  const names = new Set((await everywhere(NAMES)).map(({ n }) => n));
  expect(names.size).toBeGreaterThan(0);
  await pullOne();
  for (let n = 0; n < 90; n++) await device.pull();
  expect(new Set((await everywhere(NAMES)).map(({ n }) => n))).toEqual(names);
  await app.close();
});

it('none are kept where the option says so', async () => {
  const { app, everywhere, pullOne } = await site(false);
  await pullOne();
  expect(await everywhere(NAMES)).toEqual([]);
  await app.close();
});

it('a pooler that loses statements is not noticed by devices, and gets no more of them', async () => {
  const { app, everywhere, pullOne } = await site();
  // By then, one connection at least has been used twice.
  for (let n = 0; n <= CONNECTIONS; n++) {
    await pullOne();
    await everywhere('DEALLOCATE ALL');
  }
  await pullOne();
  expect(await everywhere(NAMES)).toEqual([]);
  await app.close();
});
