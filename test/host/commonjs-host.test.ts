import { randomUUID } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startAppProcess, type AppProcess } from '../support/app-process.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { Device } from '../support/device.js';
import { insertTask } from '../support/sample-rows.js';
import { eventually } from '../support/wait.js';
import { send } from '../support/wire.js';

const COMMONJS_APP = fileURLToPath(new URL('../support/commonjs-app.cjs', import.meta.url));

describe('a host in CommonJS, which requires the package', () => {
  let database: TestDatabase;
  let url: string;
  let app: AppProcess | undefined;

  beforeAll(async () => {
    database = await createDatabase();
    app = await startAppProcess({ database, main: COMMONJS_APP });
    ({ url } = app);
  });

  afterAll(async () => {
    await app?.kill();
    await database.drop();
  });

  it('syncs a device in both directions', async () => {
    const user = randomUUID();
    const phone = new Device(url, user);
    await phone.start();
    const mine = phone.create('tasks', { title: 'typed offline', user_id: user });
    await phone.sync();
    expect(await database.query('SELECT title, user_id FROM tasks WHERE id = $1', [mine])).toEqual([
      { title: 'typed offline', user_id: user },
    ]);

    const theirs = await insertTask(database, user, 'written by psql');
    await eventually(async () => {
      await phone.sync();
      return phone.rows('tasks').has(theirs);
    });
    expect([...phone.rows('tasks').keys()].toSorted()).toEqual([mine, theirs].toSorted());

    // From a hook of the host's, which got the package's EntityManager and asked it for its own entity.
    expect((await send(`${url}/accepted`)).json).toEqual(['typed offline']);
  });

  it('gives the slot back when it has to end', async () => {
    expect((await app?.kill('SIGTERM'))?.signal).toBe('SIGTERM');
    expect(
      await database.query('SELECT active FROM pg_replication_slots WHERE slot_name = $1', [
        database.slotName,
      ]),
    ).toEqual([{ active: false }]);
  });
});
