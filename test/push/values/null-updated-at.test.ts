import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startApp, type RunningApp } from '../../support/app.js';
import { consumed } from '../../support/consumer.js';
import { createDatabase, type TestDatabase } from '../../support/database.js';
import { Device } from '../../support/device.js';
import { insertTask } from '../../support/sample-rows.js';

let database: TestDatabase;
let app: RunningApp;

beforeAll(async () => {
  database = await createDatabase();
  app = await startApp({ database });
});
afterAll(async () => {
  await app.close();
  await database.drop();
});

/** SDKs can't do without a time. A column that allows null is refused as a whole, at the start and while it runs. */
it('a row without updated_at stops pulls loudly instead of being passed over [W-PULL-3]', async () => {
  const phone = new Device(app.url, 'alice');
  await phone.start();
  const id = randomUUID();
  await database.query('ALTER TABLE tasks ALTER COLUMN updated_at DROP NOT NULL');
  await database.query(
    `INSERT INTO tasks (id, user_id, title, updated_at) VALUES ($1, 'alice', 'timeless', NULL)`,
    [id],
  );
  const other = await insertTask(database, 'alice', 'beside it');
  await consumed(database);
  const body = { client_id: phone.clientId, ...(await phone.schemaIds()) };
  expect(await phone.send('pull', { ...body, checkpoint: phone.checkpoint })).toMatchObject({
    status: 503,
    json: { error: 'service temporarily unavailable' },
  });
  expect(await phone.send('snapshot', body)).toMatchObject({
    status: 503,
    json: { error: 'service temporarily unavailable' },
  });

  // What the error's fix says.
  await database.query('UPDATE tasks SET updated_at = now() WHERE updated_at IS NULL');
  await database.query('ALTER TABLE tasks ALTER COLUMN updated_at SET NOT NULL');
  await consumed(database);
  await phone.sync();
  expect([...phone.rows('tasks').keys()].toSorted()).toEqual([id, other].toSorted());
  expect(phone.snapshotReasons).toEqual([]);
});
