import type { Browser, BrowserContext, Page, Route } from 'playwright-core';
import { pause } from '../../../test/support/wait.js';
import { TABLE_NAMES } from '../../../test/oracle/world/tables.js';
import { PAGE_HTML } from '../support/browser.js';
import type { Home } from './home.js';
import type { Ledger } from './ledger.js';
import { PageScreen } from './page-screen.js';
import type { Screen } from './screen.js';
import { ANSWERS, SLOWNESS, type Weather } from './weather.js';

export interface BrowserHomeOptions {
  readonly browser: Browser;
  /** What a page runs; see `pageScript`. */
  readonly script: string;
  readonly user: string;
  readonly name: string;
  readonly url: string;
  readonly tabs: number;
  readonly weather: Weather;
  readonly ledger: Ledger;
}

/** By how much the clocks of a browser's tabs are wrong, one start after the other: milliseconds. */
const CLOCKS = [0, 90_000, -3_600_000, 0, 400 * 86_400_000, 2_000];

/** The tabs of one profile in a real browser. */
export class BrowserHome implements Home {
  readonly user: string;
  readonly name: string;
  readonly weather: Weather;
  readonly ledger: Ledger;
  private all: PageScreen[] = [];
  private context: Promise<BrowserContext> | null = null;
  private starts = 0;
  private opening: Promise<void> = Promise.resolve();

  constructor(private readonly options: BrowserHomeOptions) {
    ({ user: this.user, name: this.name, weather: this.weather, ledger: this.ledger } = options);
  }

  get screens(): readonly Screen[] {
    return this.all.filter(({ isClosed }) => !isClosed);
  }

  revive(): Promise<void> {
    this.opening = this.opening.then(async () => {
      this.all = this.all.filter(({ isClosed }) => !isClosed);
      while (this.all.length < this.options.tabs) this.all.push(await this.open());
    });
    return this.opening;
  }

  /** Any tab: every second time or so it is the one that leads. */
  async freezeLeader(): Promise<void> {
    const awake = this.all.filter(({ isFrozen, isClosed }) => !isFrozen && !isClosed);
    if (awake.length > 1) await awake[0]?.freeze();
  }

  async thaw(): Promise<void> {
    await Promise.all(this.all.map((screen) => screen.thaw()));
  }

  async reload(screen: Screen): Promise<void> {
    if (!(screen instanceof PageScreen) || screen.isClosed) return;
    // In the middle of whatever goes on, by the pages of an app that knows nothing of sync.
    await screen.close();
  }

  async signedOut(): Promise<void> {
    await this.thaw();
    await Promise.all(this.all.map((screen) => screen.close()));
  }

  async heal(): Promise<void> {
    this.weather.clear();
    await this.thaw();
    await this.revive();
    // A tab that finds no space stays so, for what is left of its faults.
    await Promise.all(this.all.map((screen) => screen.fill(0)));
  }

  async leave(): Promise<void> {
    await this.opening;
    await this.thaw();
    await Promise.all(this.all.map((screen) => screen.close()));
    await (await this.context)?.close();
  }

  async stored(): Promise<string> {
    return `${this.starts} starts`;
  }

  private async open(): Promise<PageScreen> {
    this.context ??= this.makeContext();
    const page = await (await this.context).newPage();
    const screen = new PageScreen(page);
    await page.exposeFunction('tellVerdict', screen.settle.bind(screen));
    await page.exposeFunction('askToken', this.weather.token);
    await page.exposeFunction('tellGone', this.ledger.gone);
    await page.exposeFunction('tellStored', this.ledger.stored);
    page.on('console', (message) => {
      if (message.type() === 'warning') this.ledger.diary.note(`a tab warns: ${message.text()}`);
    });
    page.on('close', () => void screen.close());
    page.on('crash', () => void screen.close());
    await page.goto(`${this.options.url}/test-page`);
    const clock = CLOCKS[this.starts % CLOCKS.length] ?? 0;
    this.starts += 1;
    await this.start(page, clock);
    const { storage } = await screen.status();
    this.ledger.diary.note(`a tab opens (${storage}), its clock ${clock} ms ahead`);
    return screen;
  }

  private async start(page: Page, clock: number): Promise<void> {
    await page.evaluate(
      async ({ user, tables, clock }) => {
        const { now } = Date;
        globalThis.Date = class extends Date {
          constructor(...given: readonly unknown[]) {
            super(...((given.length === 0 ? [now() + clock] : given) as [number]));
          }
          static override now(): number {
            return now() + clock;
          }
        } as DateConstructor;
        const sync = await window.client.createSync({
          url: '/sync',
          user,
          token: (request) => window.askToken(request),
          headers: () => ({ 'x-user-id': user }),
          store: window.client.tellingStore(window.client.indexedDbStore('fleet'), {
            gone: (refused) => window.tellGone(refused),
            stored: (writes) => window.tellStored(writes),
          }),
        });
        await Promise.all(tables.map((table) => sync.table(table).load()));
        window.barePut = Object.getOwnPropertyDescriptor(IDBObjectStore.prototype, 'put')
          ?.value as IDBObjectStore['put'];
        window.device = new window.client.SyncScreen(sync);
      },
      { user: this.user, tables: TABLE_NAMES, clock },
    );
  }

  private async makeContext(): Promise<BrowserContext> {
    const { browser, script } = this.options;
    const context = await browser.newContext();
    await context.route('**/test-page', (route) =>
      route.fulfill({ contentType: 'text/html', body: PAGE_HTML }),
    );
    await context.route('**/test-client.js', (route) =>
      route.fulfill({ contentType: 'text/javascript', body: script }),
    );
    await context.route('**/sync/**', (route) =>
      // A tab that is closed takes its requests along.
      this.request(route).catch((error: unknown) => {
        if (!/closed|handled|disposed|ECONN|socket hang up/i.test(String(error))) throw error;
        return route.abort().catch(() => undefined);
      }),
    );
    return context;
  }

  private async request(route: Route): Promise<void> {
    const request = route.request();
    const fault = this.weather.next(request.url(), await request.headerValue('authorization'));
    if (fault === 'offline') return route.abort('internetdisconnected');
    if (fault === 'expired' || fault === 'busy' || fault === 'login') {
      const [body, { status, headers }] = ANSWERS[fault];
      return route.fulfill({ body, status, headers });
    }
    if (fault === undefined && !request.url().endsWith('/push')) return route.continue();
    const response = await route.fetch();
    const text = await response.text();
    const answer = fault === 'lost' ? `lost: ${text}` : text;
    this.ledger.diary.noteRequest(request.url(), request.postData(), answer);
    if (fault === 'lost') return route.abort('connectionreset');
    if (fault === 'slow') await pause(SLOWNESS);
    return route.fulfill({ response });
  }
}
