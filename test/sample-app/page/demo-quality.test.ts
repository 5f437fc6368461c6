import { readdir, readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import type { AxeResults } from 'axe-core';
import { describe, expect, it } from 'vitest';
import { eventually } from '../../support/wait.js';
import type { DemoPage } from './demo-page.js';
import { demoSuite } from './demo-suite.js';

const AXE = createRequire(import.meta.url).resolve('axe-core/axe.min.js');
const ASSETS = path.resolve(import.meta.dirname, '../../../dist/web/assets');
const MAX_SCRIPT_BYTES = 80 * 1024;

const suite = demoSuite();

/** What axe-core finds in the page and in its devices, a line each. */
async function violations({ page }: DemoPage): Promise<readonly string[]> {
  const found = await Promise.all(
    page.frames().map(async (frame) => {
      await frame.addScriptTag({ path: AXE });
      const { violations: list } = await frame.evaluate(() =>
        (window as unknown as { axe: { run(options: object): Promise<AxeResults> } }).axe.run({
          iframes: false,
        }),
      );
      return list.map(({ id, nodes }) => `${frame.url()}: ${id}: ${nodes.map(({ html }) => html).join(' ')}`);
    }),
  );
  expect(found).toHaveLength(4);
  return found.flat();
}

/** Everything on the page at once: comments, a conflict, what is shared, a time line. */
async function fullPage(): Promise<DemoPage> {
  await suite.insert('alice', 'Buy milk');
  const demo = await suite.open();
  await demo.live();
  await demo.server
    .getByRole('combobox', { name: 'Sharing of Buy milk' })
    .selectOption('Bob reads and comments');
  await demo.bob.frame.getByRole('textbox', { name: 'Title of Buy milk' }).waitFor();
  await demo.bob.open('Buy milk');
  await demo.bob.comment('Buy milk', 'Which one?');
  await demo.phone.switch.click();
  await demo.phone.rename('Buy milk', 'Buy oat milk');
  await demo.laptop.rename('Buy milk', 'Buy soy milk');
  await eventually(async () => expect(await suite.stored()).toEqual(['Buy soy milk']));
  await demo.phone.switch.click();
  await demo.phone.conflict.waitFor();
  await demo.timeLine.getByRole('cell').first().waitFor();
  return demo;
}

describe('the page', () => {
  it.each([
    ['in light, on a wide screen', 'light', 1440],
    ['in dark, on a phone', 'dark', 390],
  ] as const)('has nothing that axe-core finds, %s', async (_, colorScheme, width) => {
    await suite.newContext({ colorScheme, viewport: { width, height: 844 } });
    const demo = await fullPage();
    expect(await violations(demo)).toEqual([]);
    await demo.bob.button('Sign out').click();
    await demo.bob.frame.getByText('Signed out.').waitFor();
    expect(await violations(demo)).toEqual([]);
  });

  it.each([320, 390, 820, 1440])('fits into a width of %i pixels, and so do its devices', async (width) => {
    await suite.newContext({ viewport: { width, height: 844 } });
    const { page } = await fullPage();
    for (const frame of page.frames()) {
      const wider = await frame.evaluate(
        () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
      );
      expect(wider, frame.url()).toBe(0);
    }
  });

  it('moves nothing while it loads', async () => {
    await suite.insert('alice', 'Buy milk');
    await suite.context.addInitScript(() => {
      const shifts: number[] = [];
      Object.assign(window, { shifts });
      new PerformanceObserver((list) => {
        for (const entry of list.getEntries()) shifts.push((entry as unknown as { value: number }).value);
      }).observe({ type: 'layout-shift', buffered: true });
    });
    const demo = await suite.open();
    await demo.live();
    await demo.phone.frame.getByRole('textbox', { name: 'Title of Buy milk' }).waitFor();
    await demo.server.getByRole('textbox', { name: 'Title of Buy milk' }).waitFor();
    for (const frame of demo.page.frames()) {
      expect(await frame.evaluate(() => (window as unknown as { shifts: number[] }).shifts)).toEqual([]);
    }
  });

  it('is used by keyboard alone', async () => {
    const demo = await suite.open();
    await demo.live();
    const { keyboard } = demo.page;
    await demo.phone.switch.focus();
    await keyboard.press('Space');
    await demo.phone.phase('Offline');
    await keyboard.press('Tab');
    await keyboard.press('Tab');
    await keyboard.type('By keyboard');
    await keyboard.press('Enter');
    await demo.phone.status('1 edit waits to be pushed');
    expect(await demo.phone.titles()).toEqual(['By keyboard']);
    for (let presses = 0; presses < 2; presses += 1) await keyboard.press('Tab');
    await keyboard.type(' and more');
    await keyboard.press('Escape');
    expect(await demo.phone.titles()).toEqual(['By keyboard']);
    await keyboard.press('Tab');
    await keyboard.press('Enter');
    await demo.phone.frame.getByRole('textbox', { name: 'New comment on By keyboard' }).waitFor();
    await keyboard.press('Tab');
    await keyboard.press('Enter');
    await eventually(async () => expect(await demo.phone.titles()).toEqual([]));
  });

  it('has scripts of at most 80 KB', async () => {
    const scripts = (await readdir(ASSETS)).filter((name) => name.endsWith('.js'));
    const sizes = await Promise.all(
      scripts.map(async (name) => gzipSync(await readFile(path.join(ASSETS, name))).length),
    );
    const bytes = sizes.reduce((sum, size) => sum + size, 0);
    expect(bytes).toBeGreaterThan(10_000);
    expect(bytes).toBeLessThanOrEqual(MAX_SCRIPT_BYTES);
  });
});
