import { caughtUp } from 'nestjs-synchro/testing';
import { afterEach } from 'vitest';
import { createSync, type AnyTables, type Sync, type SyncOptions } from '../../src/index.js';
import { startApp, type AppOptions, type RunningApp } from '../../../test/support/app.js';
import * as rows from '../../../test/support/sample-rows.js';
import { createDatabase, type TestDatabase } from '../../../test/support/database.js';

export interface SampleServer {
  readonly database: TestDatabase;
  readonly app: RunningApp;
  /** The sync routes. */
  readonly url: string;
  close(): Promise<void>;
}

/** The sample app on a database of its own. */
export async function startServer(options: Omit<AppOptions, 'database'> = {}): Promise<SampleServer> {
  const database = await createDatabase();
  const app = await startApp({ ...options, database });
  const close = async (): Promise<void> => {
    await app.close();
    await database.drop();
  };
  return { database, app, url: `${app.url}/sync`, close };
}

/** As the host's own code inserts it; the log has it. @returns its id */
export async function insertTask(server: SampleServer, user: string, title: string): Promise<string> {
  const id = await rows.insertTask(server.database, user, title);
  await caughtUp(server.app.app);
  return id;
}

/** The same of many. @returns their ids */
export async function insertTasks(
  server: SampleServer,
  user: string,
  title: string,
  count: number,
): Promise<readonly string[]> {
  const ids = await rows.insertTasks(server.database, user, title, count);
  await caughtUp(server.app.app);
  return ids;
}

const open = new Set<Sync<AnyTables>>();

/** A device of a user, with the sample app's header of development. It is closed after the test. */
export async function device(
  url: string,
  user: string,
  options: Partial<SyncOptions> = {},
): Promise<Sync<AnyTables>> {
  const sync = await createSync({ url, user, headers: () => ({ 'x-user-id': user }), ...options });
  open.add(sync);
  return sync;
}

/** As {@link device}, after its first sync. */
export async function syncedDevice(
  url: string,
  user: string,
  options: Partial<SyncOptions> = {},
): Promise<Sync<AnyTables>> {
  const sync = await device(url, user, options);
  await sync.caughtUp({ timeout: 20_000 });
  return sync;
}

afterEach(async () => {
  const devices = [...open];
  open.clear();
  await Promise.allSettled(devices.map((each) => each.close()));
});
