import type { BrowserContext, FrameLocator, Locator, Page } from 'playwright-core';

export type DeviceName = 'Alice’s phone' | 'Alice’s laptop' | 'Bob’s phone';
export const DEVICE_NAMES: readonly DeviceName[] = ['Alice’s phone', 'Alice’s laptop', 'Bob’s phone'];

/** The sample app's page, by what a person sees of it. */
export class DemoPage {
  readonly phone: DemoDevice;
  readonly laptop: DemoDevice;
  readonly bob: DemoDevice;
  readonly server: Locator;
  readonly timeLine: Locator;

  constructor(readonly page: Page) {
    const [phone, laptop, bob] = DEVICE_NAMES.map((name) => new DemoDevice(page.frameLocator(frameOf(name))));
    if (!phone || !laptop || !bob) throw new Error('three devices were expected');
    [this.phone, this.laptop, this.bob] = [phone, laptop, bob];
    this.server = page.getByRole('region', { name: 'The server' });
    this.timeLine = page.getByRole('region', { name: 'Time line' });
  }

  /** Resolves when all three devices are live. */
  async live(): Promise<void> {
    await Promise.all([this.phone, this.laptop, this.bob].map((device) => device.phase('Live')));
  }
}

export class DemoDevice {
  readonly tasks: Locator;
  readonly switch: Locator;
  readonly conflict: Locator;
  readonly refusal: Locator;
  readonly verdicts: Locator;

  constructor(readonly frame: FrameLocator) {
    this.tasks = frame.getByRole('list', { name: 'Tasks' }).locator(':scope > li');
    this.switch = frame.getByRole('switch', { name: 'Online' });
    this.conflict = frame.getByRole('region', { name: 'Conflict' });
    this.refusal = frame.getByRole('region', { name: 'Refused edit' });
    this.verdicts = frame.getByRole('region', { name: 'Verdicts' });
  }

  async titles(): Promise<readonly string[]> {
    // All at once: one that is gone meanwhile would be waited for.
    return this.tasks
      .locator('.task input')
      .evaluateAll((fields) => fields.map((field) => (field as HTMLInputElement).value));
  }

  /** Resolves when the status says so. */
  async phase(phase: string): Promise<void> {
    await this.status(phase);
  }

  async status(text: string): Promise<void> {
    await this.frame.getByRole('status').getByText(text).waitFor();
  }

  async add(title: string): Promise<void> {
    const field = this.frame.getByRole('textbox', { name: 'New task' });
    await field.fill(title);
    await field.press('Enter');
  }

  async rename(from: string, to: string): Promise<void> {
    const field = this.frame.getByRole('textbox', { name: `Title of ${from}`, exact: true });
    await field.fill(to);
    await field.press('Enter');
  }

  /** Opens a task's comments. */
  async open(title: string): Promise<void> {
    await this.frame.getByRole('button', { name: `Comments on ${title}` }).click();
  }

  async comments(title: string): Promise<readonly string[]> {
    const list = this.frame.getByRole('list', { name: `Comments on ${title}` });
    return list.locator('li > span:first-child').allTextContents();
  }

  async comment(title: string, body: string): Promise<void> {
    const field = this.frame.getByRole('textbox', { name: `New comment on ${title}` });
    await field.fill(body);
    await field.press('Enter');
  }

  button(name: string): Locator {
    return this.frame.getByRole('button', { name, exact: true });
  }
}

function frameOf(name: DeviceName): string {
  return `iframe[title="${name}"]`;
}

/** Opens the page in a new tab. */
export async function openDemo(context: BrowserContext, url: string): Promise<DemoPage> {
  const page = await context.newPage();
  await page.goto(url);
  return new DemoPage(page);
}
