import { describe, expect, it } from 'vitest';
import { eventually } from '../../../test/support/wait.js';
import { openTab, startDevice, titles } from '../support/browser.js';
import { insertTask, insertTasks } from '../support/devices.js';
import { gate } from '../support/network.js';
import { sampleBrowser } from '../support/sample-browser.js';
import { STORE_CASES } from '../support/store-suite.js';

const sample = sampleBrowser();

const stored = (title: string): Promise<boolean> =>
  sample.server.database
    .query('SELECT FROM tasks WHERE user_id = $1 AND title = $2', [sample.user, title])
    .then((rows) => rows.length === 1);

describe('the store indexeddb', () => {
  it.each(STORE_CASES)('$title', async ({ title }) => {
    const page = await sample.context.newPage();
    await page.goto(`${sample.server.app.url}/test-page`);
    await page.evaluate(async (wanted) => {
      const found = window.client.STORE_CASES.find((each) => each.title === wanted);
      if (!found) throw new Error(`no case ${wanted}`);
      await found.run(window.client.indexedDbStore(crypto.randomUUID()));
    }, title);
  });
});

describe('tabs of one browser', () => {
  it('show each other’s edits at once, offline too, and none is lost when all are closed', async () => {
    const one = await openTab(sample.context, sample.server.app.url, sample.user);
    const two = await openTab(sample.context, sample.server.app.url, sample.user);
    await sample.context.setOffline(true);
    await one.evaluate(() => window.sync.table('tasks').create({ title: 'One' }));
    await two.evaluate(() => window.sync.table('tasks').create({ title: 'Two' }));
    await eventually(async () => {
      expect(await titles(one)).toEqual(['One', 'Two']);
      expect(await titles(two)).toEqual(['One', 'Two']);
    });
    await Promise.all([one.close(), two.close()]);
    await sample.context.setOffline(false);
    const three = await openTab(sample.context, sample.server.app.url, sample.user);
    expect(await titles(three)).toEqual(['One', 'Two']);
    expect(await stored('One')).toBe(true);
    expect(await stored('Two')).toBe(true);
  });

  it('have one that talks to the server, and another one when that is killed [W-CLIENT-10]', async () => {
    const one = await openTab(sample.context, sample.server.app.url, sample.user);
    const two = await openTab(sample.context, sample.server.app.url, sample.user);
    const asked: string[] = [];
    two.on('request', (request) => asked.push(request.url()));
    await two.evaluate(async () => {
      await (
        await window.sync.table('tasks').create({ title: 'By the other' })
      ).verdict;
    });
    expect(await stored('By the other')).toBe(true);
    expect(asked).toEqual([]);
    await one.close();
    await two.evaluate(async () => {
      await (
        await window.sync.table('tasks').create({ title: 'By itself' })
      ).verdict;
    });
    expect(await stored('By itself')).toBe(true);
  });

  it('are not stopped by a frozen leader, which can’t write when it wakes [W-CLIENT-10]', async () => {
    const frozen = await openTab(sample.context, sample.server.app.url, sample.user);
    const two = await openTab(sample.context, sample.server.app.url, sample.user);
    const debug = await sample.context.newCDPSession(frozen);
    await debug.send('Debugger.enable');
    await debug.send('Debugger.pause');
    // The debugger stops the tab at its next statement, which is in one of its timers.
    await new Promise((resolve) => debug.once('Debugger.paused', resolve));
    await two.evaluate(async () => {
      await (
        await window.sync.table('tasks').create({ title: 'Not stopped' })
      ).verdict;
    });
    expect(await stored('Not stopped')).toBe(true);
    await debug.send('Debugger.resume');
    await debug.send('Debugger.disable');
    await eventually(async () => expect(await titles(frozen)).toEqual(['Not stopped']));
    await frozen.evaluate(async () => {
      await (
        await window.sync.table('tasks').create({ title: 'Awake' })
      ).verdict;
    });
    expect(await stored('Awake')).toBe(true);
  });

  it('learn the verdicts that they missed while they were frozen [W-CLIENT-16]', async () => {
    const one = await openTab(sample.context, sample.server.app.url, sample.user);
    await sample.context.addInitScript(() => {
      BroadcastChannel.prototype.addEventListener = function (
        type: string,
        listener: EventListener,
        options?: AddEventListenerOptions,
      ) {
        const hear = (event: Event): void => void (document.body.hidden || listener(event));
        EventTarget.prototype.addEventListener.call(this, type, hear, options);
      };
    });
    const frozen = await openTab(sample.context, sample.server.app.url, sample.user);
    let answers = gate();
    await sample.context.route('**/sync/push', async (route) => {
      await answers.opened;
      await route.continue();
    });
    const write = (values: object): Promise<void> =>
      frozen.evaluate(async (values) => {
        const { verdict } = await window.sync.table('tasks').create({ ...values });
        void verdict.then(({ status }) => window.seen.push(status));
      }, values);
    await write({ title: 'Taken' });
    await write({ title: 'Refused', estimate: '99999999999.99' });
    // From here on it hears nothing, as where the browser drops a frozen tab's messages.
    await frozen.evaluate(() => (document.body.hidden = true));
    answers.open();
    await eventually(async () =>
      expect(await one.evaluate(() => window.sync.status.get())).toMatchObject({ pending: 0, rejected: 1 }),
    );
    answers = gate();
    await write({ title: 'Pending' });
    await frozen.evaluate(() => {
      document.body.hidden = false;
      document.dispatchEvent(new Event('resume'));
    });
    const seen = (): Promise<unknown[]> => frozen.evaluate(() => window.seen.map(String).toSorted());
    await eventually(async () => expect(await seen()).toEqual(['rejected', 'undecided']));
    answers.open();
    await eventually(async () => expect(await seen()).toEqual(['applied', 'rejected', 'undecided']));
  });

  it('go on after a reload in the middle of the first sync, where it was [W-CLIENT-8]', async () => {
    await insertTasks(sample.server, sample.user, 'Task', 2_500);
    const page = await sample.context.newPage();
    await page.goto(`${sample.server.app.url}/test-page`);
    const seen: unknown[] = [];
    const third = gate();
    await page.route('**/sync/snapshot', async (route) => {
      const { cursor } = route.request().postDataJSON() as { cursor: unknown };
      seen.push(cursor);
      if (seen.length === 3) third.open();
      if (seen.length !== 3) await route.continue();
    });
    await startDevice(page, sample.user);
    await third.opened;
    await page.reload();
    await startDevice(page, sample.user);
    await page.evaluate(() => window.sync.caughtUp());
    expect(seen[3]).toEqual(seen[2]);
    expect(await titles(page)).toHaveLength(2_500);
  });

  it('are all signed out together: nothing is left, and nothing fills it again [W-CLIENT-9]', async () => {
    await insertTask(sample.server, sample.user, 'Secret');
    const one = await openTab(sample.context, sample.server.app.url, sample.user);
    const two = await openTab(sample.context, sample.server.app.url, sample.user);
    await two.evaluate(() => window.sync.signOut());
    await eventually(() =>
      one.evaluate(async () => {
        const refused = await window.sync
          .table('tasks')
          .create({ title: 'x' })
          .then(
            () => '',
            (error: unknown) => (error as { code: string }).code,
          );
        return refused === 'closed';
      }),
    );
    const left = await two.evaluate(async (name) => {
      const database = await new Promise<IDBDatabase>((resolve, reject) => {
        const request = indexedDB.open(name);
        request.addEventListener('success', () => resolve(request.result));
        request.addEventListener('error', () => reject(new Error('can’t open it')));
      });
      const rows = database.transaction('rows').objectStore('rows').count();
      return new Promise((resolve) => rows.addEventListener('success', () => resolve(rows.result)));
    }, `test:${sample.user}`);
    expect(left).toBe(0);
  });

  it('begin again where somebody has removed the site’s data [W-CLIENT-11]', async () => {
    await insertTask(sample.server, sample.user, 'Kept by the server');
    const page = await openTab(sample.context, sample.server.app.url, sample.user);
    const debug = await sample.context.newCDPSession(page);
    await debug.send('Storage.clearDataForOrigin', {
      origin: sample.server.app.url,
      storageTypes: 'indexeddb',
    });
    await page.evaluate(async () => {
      await (
        await window.sync.table('tasks').create({ title: 'Later' })
      ).verdict;
      await window.sync.caughtUp();
    });
    expect(await titles(page)).toEqual(['Kept by the server', 'Later']);
    expect(await stored('Later')).toBe(true);
  });
});

describe('a browser', () => {
  it('that has no IndexedDB to give works in memory, and the status says so [W-CLIENT-11]', async () => {
    await sample.context.addInitScript(() =>
      Object.defineProperty(window, 'indexedDB', { value: undefined }),
    );
    const page = await openTab(sample.context, sample.server.app.url, sample.user);
    await page.evaluate(async () => {
      await (
        await window.sync.table('tasks').create({ title: 'In memory' })
      ).verdict;
    });
    expect(await stored('In memory')).toBe(true);
    expect(await page.evaluate(() => window.sync.status.get().storage)).toBe('memory');
  });

  it('shows an edit in the same task, before it is stored [W-CLIENT-4]', async () => {
    const page = await openTab(sample.context, sample.server.app.url, sample.user);
    const count = await page.evaluate(async () => {
      const tasks = window.sync.table('tasks');
      let notified = 0;
      tasks.subscribe(() => (notified += 1));
      const storing = tasks.create({ title: 'Now' });
      const atOnce = [tasks.query().length, notified];
      await storing;
      return [...atOnce, notified];
    });
    expect(count).toEqual([1, 1, 1]);
  });
});
