import { describe, expect, it } from 'vitest';
import { insertComment } from '../../support/sample-rows.js';
import { eventually } from '../../support/wait.js';
import { demoSuite } from './demo-suite.js';

const suite = demoSuite();

describe('the pane of the server', () => {
  it('edits rows by TypeORM alone: devices follow, and what they edit is seen there', async () => {
    const demo = await suite.open();
    await demo.live();
    await demo.server.getByRole('textbox', { name: 'New task' }).fill('By the server');
    await demo.server.getByRole('button', { name: 'Add' }).click();
    for (const device of [demo.phone, demo.laptop]) {
      await eventually(async () => expect(await device.titles()).toEqual(['By the server']));
    }
    const field = demo.server.getByRole('textbox', { name: 'Title of By the server' });
    await field.fill('Renamed there');
    await field.press('Enter');
    await eventually(async () => expect(await demo.phone.titles()).toEqual(['Renamed there']));
    await demo.phone.rename('Renamed there', 'Renamed here');
    await demo.server.getByRole('textbox', { name: 'Title of Renamed here' }).waitFor();
    await demo.server.getByRole('button', { name: 'Delete Renamed here' }).click();
    for (const device of [demo.phone, demo.laptop]) {
      await eventually(async () => expect(await device.titles()).toEqual([]));
    }
    expect(await demo.bob.titles()).toEqual([]);
  });

  it('shares a task: it comes with its comments, is commented, edited where that is allowed, and goes', async () => {
    const task = await suite.insert('alice', 'Plan the picnic');
    await insertComment(suite.sample.database, task, 'Sunday?');
    const demo = await suite.open();
    await demo.live();
    expect(await demo.bob.titles()).toEqual([]);
    const sharing = demo.server.getByRole('combobox', { name: 'Sharing of Plan the picnic' });
    await sharing.selectOption('Bob reads and comments');
    await eventually(async () => expect(await demo.bob.titles()).toEqual(['Plan the picnic']));
    await demo.bob.open('Plan the picnic');
    await eventually(async () => expect(await demo.bob.comments('Plan the picnic')).toEqual(['Sunday?']));

    await demo.bob.comment('Plan the picnic', 'I bring bread');
    await demo.phone.open('Plan the picnic');
    await eventually(async () =>
      expect(await demo.phone.comments('Plan the picnic')).toEqual(['Sunday?', 'I bring bread']),
    );
    await demo.bob.rename('Plan the picnic', 'Cancel the picnic');
    await demo.bob.refusal.waitFor();
    expect(await demo.bob.refusal.textContent()).toContain('ownership_violation');
    await demo.bob.button('Discard').click();
    await eventually(async () => expect(await demo.bob.titles()).toEqual(['Plan the picnic']));

    await sharing.selectOption('Bob edits');
    await eventually(async () => {
      const shares = await suite.sample.database.query('SELECT can_edit FROM task_shares');
      expect(shares).toEqual([{ can_edit: true }]);
    });
    await demo.bob.rename('Plan the picnic', 'Plan the feast');
    await eventually(async () => expect(await demo.phone.titles()).toEqual(['Plan the feast']));

    const renamed = demo.server.getByRole('combobox', { name: 'Sharing of Plan the feast' });
    await renamed.selectOption('not shared');
    await eventually(async () => expect(await demo.bob.titles()).toEqual([]));
    expect(await demo.phone.titles()).toEqual(['Plan the feast']);
  });

  it('says what the server refuses', async () => {
    await suite.insert('alice', 'Deleted meanwhile');
    const demo = await suite.open();
    await demo.live();
    const field = demo.server.getByRole('textbox', { name: 'Title of Deleted meanwhile' });
    await field.waitFor();
    await suite.sample.database.query('DELETE FROM tasks');
    await field.fill('Too late');
    await field.press('Enter');
    expect(await demo.server.getByRole('alert').textContent()).toContain('404');
  });
});

describe('the time line', () => {
  it('has the way of a change in milliseconds, to the devices that see it alone', async () => {
    const demo = await suite.open();
    await demo.live();
    await demo.server.getByRole('textbox', { name: 'New task' }).fill('On its way');
    await demo.server.getByRole('button', { name: 'Add' }).click();
    const row = demo.timeLine.getByRole('row').filter({ hasText: 'Task “On its way”' });
    const cells = row.getByRole('cell');
    await eventually(async () => {
      const [commit = '', log = '', phone = '', laptop = '', bob] = await cells.allTextContents();
      expect(Number(log)).toBeGreaterThanOrEqual(0);
      // A server that does not track commits counts from the log.
      expect(commit === '0' || (commit === '–' && log === '0')).toBe(true);
      for (const device of [phone, laptop]) {
        const [, poke = '', pull = ''] = /^poke ([\d.]+) · pull ([\d.]+)$/.exec(device) ?? [];
        expect(Number(poke)).toBeGreaterThan(0);
        expect(Number(pull)).toBeGreaterThan(Number(poke));
      }
      expect(bob).toBe('');
    });
  });
});

describe('a device', () => {
  it('whose token is wrong says so, goes on, and pushes once it has another one', async () => {
    await suite.insert('alice', 'Buy milk');
    const demo = await suite.open();
    await demo.live();
    await demo.page.close();
    await suite.context.route('**/demo/sign-in', (route) => route.fulfill({ json: { token: 'wrong' } }));
    const again = await suite.open();
    await again.phone.phase('Token refused');
    expect(await again.phone.titles()).toEqual(['Buy milk']);
    await again.phone.add('Written meanwhile');
    await again.phone.status('1 edit waits to be pushed');
    await suite.context.unroute('**/demo/sign-in');
    await again.phone.button('Sign in again').click();
    await again.phone.status('Everything is pushed');
    await again.phone.phase('Live');
    expect(await suite.stored()).toEqual(['Buy milk', 'Written meanwhile']);
  });

  it('shows its first sync as it goes on, and the verdicts as they come', async () => {
    await suite.insert('alice', 'Buy milk');
    const open: (() => void)[] = [];
    const opened = new Promise<void>((resolve) => open.push(resolve));
    await suite.context.route('**/sync/snapshot', async (route) => {
      await opened;
      await route.continue();
    });
    const demo = await suite.open();
    const progress = demo.phone.frame.getByRole('progressbar', { name: 'First sync' });
    await progress.waitFor();
    expect(await demo.phone.titles()).toEqual([]);
    for (const each of open) each();
    await progress.waitFor({ state: 'detached' });
    await eventually(async () => expect(await demo.phone.titles()).toEqual(['Buy milk']));
    await demo.phone.add('Verdict');
    await demo.phone.verdicts.getByText('applied').waitFor();
  });
});
