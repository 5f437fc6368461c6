import { Variable } from '../observable.js';
import { SyncError } from '../sync-error.js';
import { Edits } from './edits.js';
import { Refusals } from './refusals.js';
import type { Replica } from './replica.js';
import { Session, type SessionOptions } from './session.js';
import { INITIAL_STATUS, type SharedStatus, type Status } from './status.js';

/** One tab's or process's part: it reads and writes by itself, and talks to the server while it leads. */
export class Client {
  readonly edits: Edits;
  readonly refusals: Refusals;
  readonly status: Variable<Status>;
  private shared: SharedStatus = INITIAL_STATUS;
  private session: Session | null = null;
  private isFull = false;

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
    await this.lead();
  }

  async catchUp(timeout: number): Promise<void> {
    await this.within(timeout, this.session?.catchUp());
  }

  /** @throws SyncError `edits_pending` */
  async pushAll(timeout: number): Promise<void> {
    if (this.replica.meta.pending > 0) {
      await this.within(timeout, this.session?.catchUp()).catch(() => undefined);
    }
    const { pending } = this.replica.meta;
    if (pending === 0) return;
    throw new SyncError(
      'edits_pending',
      `${pending} records have edits that the server does not have yet: try again, or sign out with ` +
        '`pending: "keep"` or `"discard"`',
    );
  }

  async close(): Promise<void> {
    this.refusals.lead(false);
    await this.session?.stop();
    this.session = null;
    this.replica.close();
    await this.replica.store.close();
  }

  async destroy(): Promise<void> {
    this.refusals.lead(false);
    await this.session?.stop();
    this.session = null;
    this.replica.close();
    await this.replica.store.destroy();
  }

  private async lead(): Promise<void> {
    await this.replica.lead();
    const session = new Session(this.replica, this.options, (status) => {
      this.shared = status;
      this.status.set(this.statusNow());
    });
    this.session = session;
    session.start();
    this.refusals.lead(true);
  }

  private async within(timeout: number, work: Promise<void> | undefined): Promise<void> {
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
      storage: this.isFull ? 'full' : store.storage,
      pending: meta.pending,
      rejected: meta.refused,
      firstSync: meta.checkpoint === 0 ? { rows: meta.snapshot?.rows ?? 0 } : null,
    };
  }
}
