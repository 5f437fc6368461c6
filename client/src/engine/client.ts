import { Variable } from '../observable.js';
import { SyncError } from '../sync-error.js';
import { Edits } from './edits.js';
import { Refusals } from './refusals.js';
import type { Replica } from './replica.js';
import { Session, type SessionOptions } from './session.js';
import { INITIAL_STATUS, type SharedStatus, type Status } from './status.js';

type Message =
  | { readonly type: 'hello' }
  | { readonly type: 'status'; readonly status: SharedStatus }
  | { readonly type: 'catch-up' | 'caught-up'; readonly id: string }
  | { readonly type: 'signed-out' };

const ASK_AGAIN = 1_000;

/** One tab's or process's part: it reads and writes by itself, and talks to the server while it leads. */
export class Client {
  readonly edits: Edits;
  readonly refusals: Refusals;
  readonly status: Variable<Status>;
  private shared: SharedStatus = INITIAL_STATUS;
  private session: Session | null = null;
  private isClosed = false;
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
    replica.refusals.add(() => void this.refusals.load());
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
    tabs.post({ type: 'hello' } satisfies Message);
    this.leave = tabs.elect((lost) => this.lead(lost));
  }

  /** @throws SyncError `not_caught_up` */
  async catchUp(timeout: number): Promise<void> {
    if (this.session) return this.within(timeout, this.session.catchUp());
    const id = crypto.randomUUID();
    const answered = new Promise<void>((resolve) => this.asked.set(id, resolve));
    const ask = (): void => this.replica.store.tabs?.post({ type: 'catch-up', id } satisfies Message);
    ask();
    // Whoever leads later, this tab perhaps.
    const again = setInterval(() => (this.session ? this.answer(id) : ask()), ASK_AGAIN);
    try {
      await this.within(timeout, answered);
      await this.replica.heard;
    } finally {
      clearInterval(again);
      this.asked.delete(id);
    }
  }

  /** @throws SyncError `edits_pending` */
  async pushAll(timeout: number): Promise<void> {
    if (this.replica.meta.pending > 0) await this.catchUp(timeout).catch(ignoreTimeout);
    const { pending } = this.replica.meta;
    if (pending === 0) return;
    throw new SyncError(
      'edits_pending',
      `${pending} records have edits that the server does not have yet: try again, or sign out with ` +
        '`pending: "keep"` or `"discard"`',
    );
  }

  /** Ends this user's sync in all tabs. */
  async signOut(keep: boolean): Promise<void> {
    this.replica.store.tabs?.post({ type: 'signed-out' } satisfies Message);
    await this.end();
    this.replica.views.end();
    await (keep ? this.replica.store.close() : this.replica.store.destroy());
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
    try {
      await this.replica.lead();
    } catch (error) {
      // The store can't be written: there is nothing to talk to the server for.
      if (!this.isClosed) this.share({ ...this.shared, phase: 'offline', error: String(error) });
      return aborted(lost);
    }
    const session = new Session(this.replica, this.options, (status) => {
      this.replica.store.tabs?.post({ type: 'status', status } satisfies Message);
      this.share(status);
    });
    this.session = session;
    session.start();
    this.refusals.lead(true);
    await aborted(lost);
    this.refusals.lead(false);
    this.session = null;
    await session.stop();
  }

  private hear(message: unknown): void {
    const told = message as Message;
    if (told.type === 'status') this.share(told.status);
    else if (told.type === 'hello') this.sayHello();
    else if (told.type === 'catch-up') void this.answer(told.id);
    else if (told.type === 'caught-up') this.asked.get(told.id)?.();
    else if (told.type === 'signed-out') void this.close().then(() => this.replica.views.end());
  }

  private sayHello(): void {
    const { session } = this;
    if (session) this.replica.store.tabs?.post({ type: 'status', status: session.status } satisfies Message);
  }

  private async answer(id: string): Promise<void> {
    if (!this.session || this.answering.has(id)) return;
    this.answering.add(id);
    await this.session.catchUp();
    this.answering.delete(id);
    this.asked.get(id)?.();
    this.replica.store.tabs?.post({ type: 'caught-up', id } satisfies Message);
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

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

function ignoreTimeout(error: unknown): void {
  if (!(error instanceof SyncError && error.code === 'not_caught_up')) throw error;
}
