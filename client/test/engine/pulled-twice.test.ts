import { describe, expect, it } from 'vitest';
import { eventually } from '../../../test/support/wait.js';
import { insertTask, syncedDevice } from '../support/devices.js';
import { sampleUser } from '../support/sample-user.js';

const sample = sampleUser();

describe('an answer that names a deleted record twice', () => {
  it('ends the one delete that waits, and hides no other edit from the next push [W-CLIENT-29]', async () => {
    const [id, other] = [
      await insertTask(sample.server, sample.user, 'Milk'),
      await insertTask(sample.server, sample.user, 'Beer'),
    ];
    const sync = await syncedDevice(sample.server.url, sample.user, { fetch: sample.network.fetch });
    const deleted = { id, table_name: 'tasks' };
    let answers = 0;
    sample.network.fault = ({ route, body }) => {
      if (route === 'push') return 'offline';
      if (route !== 'pull' || sync.status.get().pending < 2) return undefined;
      answers += 1;
      const page = {
        changes: [],
        deletes: [deleted, deleted],
        checkpoint: body['checkpoint'],
        has_more: false,
      };
      return { status: 200, body: JSON.stringify(page) };
    };
    await sync.table('tasks').delete(id);
    await sync.table('tasks').update(other, { title: 'Wine' });
    await expect(sync.caughtUp({ timeout: 500 })).rejects.toMatchObject({ code: 'not_caught_up' });
    await eventually(() => answers > 0);
    await eventually(() => sync.status.get().pending < 2);
    sample.network.fault = () => undefined;
    await sync.caughtUp();
    const rows = await sample.server.database.query('SELECT title FROM tasks WHERE id = $1', [other]);
    expect(rows).toEqual([{ title: 'Wine' }]);
  });
});
