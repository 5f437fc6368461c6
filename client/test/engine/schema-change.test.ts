import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../../../test/support/wait.js';
import { insertTask, type SampleServer, startServer, syncedDevice } from '../support/devices.js';
import { Network } from '../support/network.js';
import { STORES } from '../support/stores.js';

let server: SampleServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server.close());

describe('a schema that changes on the server', () => {
  it.each(STORES)(
    'loses no edit and brings the new column in the store $name [W-CLIENT-15]',
    async (kind) => {
      const user = randomUUID();
      const id = await insertTask(server, user, 'Milk');
      const network = new Network();
      const sync = await syncedDevice(server.url, user, { store: await kind.make(), fetch: network.fetch });
      const tasks = sync.table('tasks');
      await tasks.load();
      network.fault = () => 'offline';
      await tasks.update(id, { title: 'Beer' });
      const column = `note_${kind.name.replace(/\W/g, '_')}`;
      await server.database.query(`ALTER TABLE tasks ADD COLUMN ${column} text DEFAULT 'new'`);
      network.fault = () => undefined;
      await sync.caughtUp();
      expect(tasks.get(id)).toMatchObject({ title: 'Beer', [column]: 'new' });
      const rows = await server.database.query('SELECT title FROM tasks WHERE id = $1', [id]);
      expect(rows).toEqual([{ title: 'Beer' }]);
      await (
        await tasks.update(id, { [column]: 'written' })
      ).verdict;
      const [row] = await server.database.query(`SELECT ${column} AS note FROM tasks WHERE id = $1`, [id]);
      expect(row).toEqual({ note: 'written' });
    },
  );

  it('says what became of an edit whose column is gone, and keeps it [W-CLIENT-17]', async () => {
    const user = randomUUID();
    const id = await insertTask(server, user, 'Milk');
    await server.database.query('ALTER TABLE tasks ADD COLUMN leaving text');
    const network = new Network();
    const sync = await syncedDevice(server.url, user, { fetch: network.fetch });
    const tasks = sync.table('tasks');
    await tasks.load();
    await eventually(() => tasks.get(id) !== undefined);
    network.fault = () => 'offline';
    const { verdict } = await tasks.update(id, { leaving: 'typed' });
    await server.database.query('ALTER TABLE tasks DROP COLUMN leaving');
    network.fault = () => undefined;
    expect(await verdict).toMatchObject({ status: 'rejected', reason: 'column_gone' });
    await sync.caughtUp();
    await eventually(() => sync.rejected.get().length === 1);
    expect(sync.rejected.get()).toMatchObject([{ id, patch: { leaving: 'typed' } }]);
    expect(sync.status.get().pending).toBe(0);
  });
});
