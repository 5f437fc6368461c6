import type { CDPSession, Page } from 'playwright-core';
import type { Write } from '../../src/engine/edits.js';
import type { Status } from '../../src/engine/status.js';
import { SyncError, type SyncErrorCode } from '../../src/sync-error.js';
import type { Refused, Row } from '../../src/records/record.js';
import type { Verdict } from '../../src/records/verdict.js';
import type { Edit, Pending, Screen, SyncScreen } from './screen.js';
import type { StoreNews } from './telling-store.js';

declare global {
  interface Window {
    device: SyncScreen;
    /** Tells the test of a verdict. */
    tellVerdict(write: number, verdict: Verdict): Promise<void>;
    askToken(request: { readonly refused: boolean }): Promise<string>;
    /** Of {@link StoreNews}. */
    tellGone(refused: readonly Refused[]): Promise<void>;
    tellStored(writes: Parameters<StoreNews['stored']>[0]): Promise<void>;
    /** The browser's own. */
    barePut: IDBObjectStore['put'];
  }
}

/** An answer of a page: errors lose their codes on their way from a browser otherwise. */
type Answer<Result> =
  { readonly result: Result } | { readonly name: string; readonly code: string; readonly message: string };

/** How often a verdict was asked for. */
let writes = 0;

/** A real tab. */
export class PageScreen implements Screen {
  isFrozen = false;
  private readonly waiting = new Map<number, (verdict: Verdict) => void>();
  private debug: CDPSession | null = null;
  private isGone = false;

  constructor(readonly page: Page) {}

  /** Of a page's `tellVerdict`. */
  settle(write: number, verdict: Verdict): void {
    this.waiting.get(write)?.(verdict);
    this.waiting.delete(write);
  }

  rows(table: string): Promise<readonly Row[]> {
    return this.ask((name) => window.device.rows(name as string), table);
  }

  write(edits: readonly Edit[], together: boolean): Promise<readonly Write[]> {
    const first = writes;
    writes += MOST_AT_ONCE;
    return this.makes(first, { edits, together }, async (given) => {
      const { edits, together, first } = given as { edits: Edit[]; together: boolean; first: number };
      const made = await window.device.write(edits, together);
      made.forEach(({ verdict }, n) => void verdict.then((told) => window.tellVerdict(first + n, told)));
      return made.map(({ id }) => id);
    });
  }

  rejected(): Promise<readonly Refused[]> {
    return this.ask(() => window.device.rejected(), null);
  }

  retry(key: string): Promise<readonly Write[]> {
    const first = writes;
    writes += MOST_AT_ONCE;
    return this.makes(first, { key }, async (given) => {
      const { key, first } = given as { key: string; first: number };
      const made = await window.device.retry(key);
      made.forEach(({ verdict }, n) => void verdict.then((told) => window.tellVerdict(first + n, told)));
      return made.map(({ id }) => id);
    });
  }

  discard(key: string): Promise<void> {
    return this.ask((given) => window.device.discard(given as string), key);
  }

  /** Tried in Node: a page could not tell of it before it is made. */
  async keepMine(): Promise<void> {}

  caughtUp(timeout: number): Promise<void> {
    return this.ask((given) => window.device.caughtUp(given as number), timeout);
  }

  signOut(pending: Pending, timeout: number): Promise<void> {
    return this.ask(
      (given) => {
        const { pending, timeout } = given as { pending: Pending; timeout: number };
        return window.device.signOut(pending, timeout);
      },
      { pending, timeout },
    );
  }

  status(): Promise<Status> {
    return this.ask(() => window.device.status(), null);
  }

  /** With some write, if not at once: a browser kills a tab at any moment. */
  async kill(atWrite?: { readonly writes: number }): Promise<void> {
    if (atWrite) setTimeout(() => void this.close(), atWrite.writes * 5);
    else await this.close();
  }

  async fill(count: number): Promise<void> {
    await this.ask(async (given) => {
      let left = given as number;
      IDBObjectStore.prototype.put = new Proxy(window.barePut, {
        apply: (put, store: IDBObjectStore, values: Parameters<IDBObjectStore['put']>) => {
          if (left === 0) return Reflect.apply(put, store, values);
          left -= 1;
          throw new DOMException('no space', 'QuotaExceededError');
        },
      });
    }, count);
  }

  /** It stops at its next statement, which is one of its timers'. */
  async freeze(): Promise<void> {
    this.isFrozen = true;
    this.debug = await this.page.context().newCDPSession(this.page);
    await this.debug.send('Debugger.enable');
    await this.debug.send('Debugger.pause');
  }

  async thaw(): Promise<void> {
    const { debug } = this;
    if (!debug) return;
    this.debug = null;
    await debug.send('Debugger.disable').catch((error: unknown) => this.unlessGone(error));
    await debug.detach().catch((error: unknown) => this.unlessGone(error));
    this.isFrozen = false;
  }

  /** Whoever waits for a verdict of a tab that is gone waits in vain. */
  async close(): Promise<void> {
    if (this.isGone) return;
    this.isGone = true;
    this.forget();
    await this.page.close({ runBeforeUnload: false });
  }

  forget(): void {
    for (const resolve of this.waiting.values()) resolve({ status: 'undecided' });
    this.waiting.clear();
  }

  get isClosed(): boolean {
    return this.isGone;
  }

  private async makes(
    first: number,
    given: object,
    work: (given: unknown) => Promise<readonly string[]>,
  ): Promise<readonly Write[]> {
    const verdicts = Array.from(
      { length: MOST_AT_ONCE },
      (_, n) => new Promise<Verdict>((resolve) => this.waiting.set(first + n, resolve)),
    );
    const ids = await this.ask(work, { ...given, first });
    return ids.map((id, n): Write => ({
      id,
      verdict: verdicts[n] ?? Promise.resolve({ status: 'undecided' }),
    }));
  }

  /** @throws SyncError `closed` once the tab is gone */
  private async ask<Result>(work: (given: unknown) => Promise<Result>, given: unknown): Promise<Result> {
    // Evaluated as text: a page knows nothing of this file.
    const script = `(given) => (${work.toString()})(given).then(
      (result) => ({ result }),
      (error) => ({ name: error.name, code: String(error.code), message: String(error.message) }))`;
    let answer: Answer<Result>;
    try {
      answer = await this.page.evaluate<Answer<Result>, unknown>(
        // oxlint-disable-next-line typescript/no-implied-eval
        new Function(`return (${script})(arguments[0])`) as (given: unknown) => Promise<Answer<Result>>,
        given,
      );
    } catch (error) {
      this.unlessGone(error);
      throw new SyncError('closed', 'the tab is gone');
    }
    if ('result' in answer) return answer.result;
    if (answer.name === 'QuotaExceededError') throw new DOMException(answer.message, answer.name);
    if (answer.name === 'SyncError') throw new SyncError(answer.code as SyncErrorCode, answer.message);
    throw new Error(`${answer.name}: ${answer.message}`);
  }

  /** A tab that is closed or reloaded under a question answers nothing. */
  private unlessGone(error: unknown): void {
    if (!(error instanceof Error && GONE.test(error.message))) throw error;
  }
}

/** Edits of one call. */
const MOST_AT_ONCE = 20;
const GONE = /closed|destroyed|navigat|crashed|detached/i;
