import { describe, expect, it } from 'vitest';
import { eventually } from '../../../test/support/wait.js';
import { insertTask, syncedDevice } from '../support/devices.js';
import { gate } from '../support/network.js';
import { sampleUser } from '../support/sample-user.js';

const sample = sampleUser();

describe('the verdict on an edit that was made while an older one was pushed', () => {
  it('comes, too, where nothing is left to push: the record is again as it was sent [W-CLIENT-25]', async () => {
    const id = await insertTask(sample.server, sample.user, 'Milk');
    const sync = await syncedDevice(sample.server.url, sample.user, { fetch: sample.network.fetch });
    const answer = gate();
    sample.network.after = ({ route }) => (route === 'push' ? answer.opened : undefined);
    const tasks = sync.table('tasks');
    const first = await tasks.update(id, { title: 'Beer' });
    await eventually(() => sample.network.to('push').length > 0);
    const second = await tasks.update(id, { title: 'Wine' });
    const third = await tasks.update(id, { title: 'Beer' });
    answer.open();
    expect(await Promise.all([first, second, third].map(({ verdict }) => verdict))).toEqual([
      { status: 'applied' },
      { status: 'applied' },
      { status: 'applied' },
    ]);
    expect(await sample.titles()).toEqual(['Beer']);
  }, 20_000);

  it('comes, too, where it takes back what the pushed delete removes [W-CLIENT-25]', async () => {
    const id = await insertTask(sample.server, sample.user, 'Milk');
    const sync = await syncedDevice(sample.server.url, sample.user, { fetch: sample.network.fetch });
    const answer = gate();
    sample.network.after = ({ route }) => (route === 'push' ? answer.opened : undefined);
    const tasks = sync.table('tasks');
    const gone = await tasks.delete(id);
    await eventually(() => sample.network.to('push').length > 0);
    const back = await tasks.create({ id, title: 'Back' });
    const goneAgain = await tasks.delete(id);
    answer.open();
    expect(await Promise.all([gone, back, goneAgain].map(({ verdict }) => verdict))).toMatchObject([
      { status: 'applied' },
      { status: 'applied' },
      { status: 'applied' },
    ]);
    expect(await sample.titles()).toEqual([]);
  }, 20_000);
});
