import { describe, expect, it } from 'vitest';
import { eventually } from '../../support/wait.js';
import type { DemoPage } from './demo-page.js';
import { demoSuite } from './demo-suite.js';

const suite = demoSuite();

describe('a device that is offline', () => {
  it('keeps what is made on it through a reload, and brings it when it is back', async () => {
    await suite.insert('alice', 'Buy milk');
    const demo = await suite.open();
    await demo.live();
    await demo.phone.switch.click();
    await demo.phone.phase('Offline');
    await demo.phone.add('Made offline');
    await demo.phone.status('1 edit waits to be pushed');
    await demo.page.reload();
    await demo.phone.phase('Offline');
    await demo.phone.status('1 edit waits to be pushed');
    expect(await demo.phone.titles()).toEqual(['Buy milk', 'Made offline']);
    expect(await demo.laptop.titles()).toEqual(['Buy milk']);
    expect(await suite.stored()).toEqual(['Buy milk']);
    await demo.phone.switch.click();
    await demo.phone.status('Everything is pushed');
    await demo.phone.phase('Live');
    await eventually(async () => expect(await demo.laptop.titles()).toEqual(['Buy milk', 'Made offline']));
    expect(await suite.stored()).toEqual(['Buy milk', 'Made offline']);
    expect(await demo.bob.titles()).toEqual([]);
  });

  it('is so in all tabs, which see each other’s edits', async () => {
    const one = await suite.open();
    await one.live();
    await one.phone.switch.click();
    const two = await suite.open();
    await two.phone.phase('Offline');
    await one.phone.add('By one');
    await two.phone.add('By two');
    for (const { phone } of [one, two]) {
      await eventually(async () => expect((await phone.titles()).toSorted()).toEqual(['By one', 'By two']));
    }
    await one.page.close();
    await two.phone.switch.click();
    await eventually(async () => expect((await suite.stored()).toSorted()).toEqual(['By one', 'By two']));
  });
});

/** Alice renames the task on both devices, on the phone while that is offline. */
async function conflict(): Promise<DemoPage> {
  await suite.insert('alice', 'Buy milk');
  const demo = await suite.open();
  await demo.live();
  await demo.phone.switch.click();
  await demo.phone.rename('Buy milk', 'Buy oat milk');
  await demo.laptop.rename('Buy milk', 'Buy soy milk');
  await eventually(async () => expect(await suite.stored()).toEqual(['Buy soy milk']));
  await demo.phone.switch.click();
  const card = demo.phone.conflict;
  await card.waitFor();
  const values = await card.locator('dd').allTextContents();
  expect(await card.locator('dt').allTextContents()).toEqual(['Mine', 'Theirs', 'Base']);
  expect(values).toEqual(['Buy oat milk', 'Buy soy milk', 'Buy milk']);
  expect(await demo.phone.titles()).toEqual(['Buy soy milk']);
  expect(await demo.phone.verdicts.textContent()).toContain('conflict');
  return demo;
}

describe('two edits of one task', () => {
  it('are shown with their base, and mine is kept everywhere', async () => {
    const demo = await conflict();
    await demo.phone.button('Keep mine').click();
    await demo.phone.conflict.waitFor({ state: 'detached' });
    await eventually(async () => expect(await demo.laptop.titles()).toEqual(['Buy oat milk']));
    expect(await suite.stored()).toEqual(['Buy oat milk']);
  });

  it('end with theirs, which the phone has already, also after a reload', async () => {
    const demo = await conflict();
    await demo.page.reload();
    await demo.phone.button('Take theirs').click();
    await demo.phone.conflict.waitFor({ state: 'detached' });
    expect(await demo.phone.titles()).toEqual(['Buy soy milk']);
    expect(await suite.stored()).toEqual(['Buy soy milk']);
  });
});

/** How much each store of a device’s database holds. */
async function left({ page }: DemoPage, name: string): Promise<readonly number[]> {
  return page.evaluate(async (name) => {
    const database = await new Promise<IDBDatabase>((resolve, reject) => {
      const request = indexedDB.open(name);
      request.addEventListener('success', () => resolve(request.result));
      request.addEventListener('error', () => reject(new Error(`${name} does not open`)));
    });
    const stores = ['rows', 'entries', 'refused'];
    const tx = database.transaction(stores);
    const counts = stores.map((store) => {
      const request = tx.objectStore(store).count();
      return new Promise<number>((resolve) =>
        request.addEventListener('success', () => resolve(request.result)),
      );
    });
    const found = await Promise.all(counts);
    database.close();
    return found;
  }, name);
}

describe('a device that signs out', () => {
  it('leaves nothing in IndexedDB, in all tabs, and has it back when its user signs in again', async () => {
    await suite.insert('alice', 'Secret');
    const demo = await suite.open();
    await demo.live();
    const second = await suite.open();
    await eventually(async () => expect(await second.phone.titles()).toEqual(['Secret']));
    expect(await left(demo, 'phone:alice')).toEqual([1, 0, 0]);
    await demo.phone.button('Sign out').click();
    for (const { phone } of [demo, second]) await phone.frame.getByText('Signed out.').waitFor();
    expect(await left(demo, 'phone:alice')).toEqual([0, 0, 0]);
    expect(await demo.laptop.titles()).toEqual(['Secret']);
    await demo.page.reload();
    await demo.phone.button('Sign in').click();
    for (const { phone } of [demo, second]) {
      await eventually(async () => expect(await phone.titles()).toEqual(['Secret']));
    }
  });

  it('asks first where an edit would be lost', async () => {
    const demo = await suite.open();
    await demo.live();
    await demo.phone.switch.click();
    await demo.phone.add('Not pushed');
    await demo.phone.button('Sign out').click();
    await demo.phone.button('Stay').click();
    expect(await demo.phone.titles()).toEqual(['Not pushed']);
    await demo.phone.button('Sign out').click();
    await demo.phone.button('Discard and sign out').click();
    await demo.phone.frame.getByText('Signed out.').waitFor();
    expect(await left(demo, 'phone:alice')).toEqual([0, 0, 0]);
    expect(await suite.stored()).toEqual([]);
  });
});
