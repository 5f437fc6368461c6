import { describe, expect, it } from 'vitest';
import { eventually } from '../../../test/support/wait.js';
import { memoryStore } from '../../src/index.js';
import { device, insertTask, syncedDevice } from '../support/devices.js';
import { OFFLINE } from '../support/network.js';
import { sampleUser } from '../support/sample-user.js';

const sample = sampleUser();

describe('conflicts', () => {
  it('stay in the list when their listener ends itself with the first [W-CLIENT-24]', async () => {
    const store = memoryStore();
    const ids = [
      await insertTask(sample.server, sample.user, 'A'),
      await insertTask(sample.server, sample.user, 'B'),
      await insertTask(sample.server, sample.user, 'C'),
    ];
    const sync = await syncedDevice(sample.server.url, sample.user, { store, fetch: sample.network.fetch });
    sample.network.fault = OFFLINE;
    for (const id of ids) await sync.table('tasks').update(id, { title: `Mine of ${id}` });
    await sample.server.database.query(
      `UPDATE tasks SET title = 'Theirs', updated_at = clock_timestamp() + interval '1 hour' WHERE user_id = $1`,
      [sample.user],
    );
    sample.network.fault = () => undefined;
    await sync.caughtUp();
    await eventually(() => sync.rejected.get().length === 3);
    const heard: string[] = [];
    const stop = sync.on('conflict', ({ id }) => {
      stop();
      heard.push(id);
    });
    await eventually(() => sync.rejected.get().length < 3);
    await sync.close();

    const again = await device(sample.server.url, sample.user, { store });
    const kept = again.rejected.get().map(({ id }) => id);
    expect(heard).toHaveLength(1);
    expect(new Set([...heard, ...kept])).toEqual(new Set(ids));
    expect(kept).toHaveLength(2);
  });
});
