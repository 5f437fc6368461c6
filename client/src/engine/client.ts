import { Variable } from '../observable.js';
import { losesNothing } from '../store/loses-nothing.js';
import { SyncError } from '../sync-error.js';
import { Edits } from './edits.js';
import { Refusals } from './refusals.js';
import type { Replica } from './replica.js';
import { Session, type SessionOptions } from './session.js';
import { retryAfter } from '../timing/backoff.js';
import { INITIAL_STATUS, type SharedStatus, type Status } from './status.js';

type Message =
  | { readonly type: 'hello' }
  | { readonly type: 'status'; readonly status: SharedStatus }
  | { readonly type: 'catch-up' | 'caught-up'; readonly id: string }
  | { readonly type: 'signed-out' };

const ASK_AGAIN = 1_000;

/** One tab or process: it reads and writes on its own, and syncs with the server while it leads. */
export class Client {
  readonly edits: Edits;
  readonly refusals: Refusals;
  readonly status: Variable<Status>;
  private shared: SharedStatus = INITIAL_STATUS;
  private session: Session | null = null;
  private isClosed = false;
  /** Whether a message of another tab has come since this one opened. */
  private hasCompany = false;
  private leave: () => Promise<void> = async () => {};
  /** Questions of this tab to the one that leads, by id. */
  private readonly asked = new Map<string, () => void>();
  private readonly answering = new Set<string>();

  constructor(
    readonly replica: Replica,
    private readonly options: SessionOptions,
  ) {
    this.edits = new Edits(replica);
    this.refusals = new Refusals(replica, this.edits);
    this.status = new Variable(this.statusNow());
    replica.stored.add(() => this.status.set(this.statusNow()));
    replica.refusals.add(() => void this.refusals.load().catch(ignoreClosed));
  }

  async start(): Promise<void> {
    await this.refusals.load();
    const { tabs } = this.replica.store;
    if (!tabs) {
      const alone = new AbortController();
      const leading = this.lead(alone.signal);
      this.leave = () => {
        alone.abort();
        return leading;
      };
      return;
    }
    tabs.listen((message) => this.hear(message));
    this.post({ type: 'hello' });
    this.leave = tabs.elect((lost) => this.lead(lost));
  }

  /** @throws SyncError `not_caught_up` */
  async catchUp(timeout: number): Promise<void> {
    const id = crypto.randomUUID();
    const answered = new Promise<void>((resolve) => this.asked.set(id, resolve));
    const ask = (): void => {
      if (this.session) void this.answer(id);
      else this.post({ type: 'catch-up', id });
    };
    ask();
    // Another tab may take the lead meanwhile.
    const again = setInterval(ask, ASK_AGAIN);
    try {
      await this.within(timeout, answered);
      await this.replica.heard;
    } finally {
      clearInterval(again);
      this.asked.delete(id);
    }
  }

  /**
   * Ends this user's sync in all tabs.
   * @throws SyncError `edits_pending`, `edits_rejected` with `push`; then the sync goes on
   */
  async signOut(pending: 'push' | 'keep' | 'discard', timeout: number): Promise<void> {
    const { store } = this.replica;
    if (pending === 'push') await this.destroyPushed(timeout);
    else if (pending === 'discard') await store.destroy();
    this.post({ type: 'signed-out' });
    await this.end();
    this.replica.views.end();
    await store.close();
  }

  /** The user may edit, and the server refuse, until the very transaction that removes everything. */
  private async destroyPushed(timeout: number): Promise<void> {
    const known = new Set(this.refusals.list.get().map(({ key }) => key));
    if (this.replica.meta.pending > 0) await this.catchUp(timeout).catch(ignoreTimeout);
    await this.replica.store.destroy(losesNothing(known));
  }

  async close(): Promise<void> {
    if (this.isClosed) return;
    await this.end();
    await this.replica.store.close();
  }

  private async end(): Promise<void> {
    this.isClosed = true;
    await this.leave();
    this.replica.close();
  }

  private async lead(lost: AbortSignal): Promise<void> {
    if (!(await this.takeLead(lost))) return aborted(lost);
    const session = new Session(this.replica, this.options, (status) => {
      this.post({ type: 'status', status });
      this.share(status);
    });
    this.session = session;
    session.start();
    this.refusals.lead(true);
    for (const id of this.asked.keys()) void this.answer(id);
    if (this.hasCompany) void this.replica.missed();
    await aborted(lost);
    this.refusals.lead(false);
    this.session = null;
    // A session that has lost the lead never answers.
    this.answering.clear();
    await session.stop();
  }

  /** @returns false where the lead is over before it has begun */
  private async takeLead(lost: AbortSignal): Promise<boolean> {
    for (let failures = 0; !lost.aborted; failures += 1) {
      try {
        await this.replica.lead();
        return true;
      } catch (error) {
        if (this.isClosed || (error instanceof SyncError && error.code === 'closed')) return false;
        // Without a store to write to, a session is of no use.
        this.share({ ...this.shared, phase: 'offline', error: String(error) });
        await sleep(retryAfter(error, failures, Math.random()).delay, lost);
      }
    }
    return false;
  }

  private hear(message: unknown): void {
    this.hasCompany = true;
    const received = message as Message;
    if (received.type === 'status') this.share(received.status);
    else if (received.type === 'hello') this.sayHello();
    else if (received.type === 'catch-up') void this.answer(received.id);
    else if (received.type === 'caught-up') this.asked.get(received.id)?.();
    else if (received.type === 'signed-out') void this.close().then(() => this.replica.views.end());
  }

  private sayHello(): void {
    const { session } = this;
    if (session) this.post({ type: 'status', status: session.status });
  }

  private async answer(id: string): Promise<void> {
    if (!this.session || this.answering.has(id)) return;
    this.answering.add(id);
    await this.session.catchUp();
    this.answering.delete(id);
    this.asked.get(id)?.();
    this.post({ type: 'caught-up', id });
  }

  private post(message: Message): void {
    this.replica.store.tabs?.post(message);
  }

  private share(status: SharedStatus): void {
    this.shared = status;
    this.status.set(this.statusNow());
  }

  private async within(timeout: number, work: Promise<void>): Promise<void> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => {
        const { phase, error } = this.status.get();
        const why = error === null ? '' : `; the last failure was: ${error}`;
        reject(
          new SyncError('not_caught_up', `not caught up after ${timeout} ms: the sync is ${phase}${why}`),
        );
      }, timeout);
    });
    try {
      await Promise.race([work, late]);
    } finally {
      clearTimeout(timer);
    }
  }

  private statusNow(): Status {
    const { meta, store } = this.replica;
    return {
      ...this.shared,
      storage: this.replica.isFull ? 'full' : store.storage,
      pending: meta.pending,
      rejected: meta.refused,
      firstSync: meta.checkpoint === 0 ? { rows: meta.snapshot?.rows ?? 0 } : null,
    };
  }
}

/** For a promise that no caller awaits any more. */
function ignoreClosed(error: unknown): void {
  if (!(error instanceof SyncError && error.code === 'closed')) throw error;
}

function sleep(milliseconds: number, lost: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, milliseconds);
    void aborted(lost).then(() => {
      clearTimeout(timer);
      resolve();
    });
  });
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

function ignoreTimeout(error: unknown): void {
  if (!(error instanceof SyncError && error.code === 'not_caught_up')) throw error;
}
