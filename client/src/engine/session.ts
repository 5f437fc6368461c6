import { Http, type HttpOptions } from '../wire/http.js';
import { Connection } from './connection.js';
import { Live } from './live.js';
import { Loop } from '../timing/loop.js';
import { Pulling } from './pulling.js';
import { Pushing } from './pushing.js';
import type { Replica } from './replica.js';
import { INITIAL_STATUS, type SharedStatus } from './status.js';
import { whenWorthTrying } from '../timing/worth-trying.js';

export interface SessionOptions extends HttpOptions {
  readonly platform: string;
}

/** Between two pulls: 30 s ± 10 %, and longer where the server says when there is something. */
const POLL_INTERVAL = 30_000;
const LIVE_POLL_INTERVAL = 300_000;
/** Until the server's log has an own push, where no token says when. */
const ECHO_DELAY = 300;
const MAX_WAIT = 5_000;

/** The talk with the server, in the one tab that leads. Pulling and pushing do not wait for each other. */
export class Session {
  status: SharedStatus = INITIAL_STATUS;
  private readonly http: Http;
  private readonly pushing: Pushing;
  private readonly pulls: Loop;
  private readonly pushes: Loop;
  private readonly live: Loop;
  private isLive = false;
  private hasPulled = false;
  private isBehind = false;
  private readonly stops: (() => void)[] = [];
  private pulledCommit: string | undefined;
  private generation: number;
  private echo: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly replica: Replica,
    options: SessionOptions,
    private readonly onStatus: (status: SharedStatus) => void,
  ) {
    this.http = new Http(options);
    const connection = new Connection(replica, this.http, options);
    const pulling = new Pulling(replica, connection);
    this.pushing = new Pushing(replica, connection, ({ applied }) => {
      for (const { key, updatedAt } of applied) pulling.noteApplied(key, updatedAt);
      this.pullEcho();
    });
    this.pulls = new Loop(
      () => this.pull(pulling),
      (failure) => this.notePull(failure),
    );
    this.pushes = new Loop(
      () => this.pushing.push(),
      (failure) => failure && this.tell({ error: describe(failure.error) }),
    );
    const live = new Live(this.http, replica, {
      onNews: () => this.pulls.wake(),
      onLive: (isLive) => this.noteLive(isLive),
    });
    this.live = new Loop(
      () => live.connect(),
      () => {},
    );
    this.generation = replica.meta.generation;
  }

  start(): void {
    this.pulls.start();
    this.pushes.start();
    this.stops.push(
      this.replica.stored.add(() => this.noteStored()),
      whenWorthTrying(() => {
        this.pulls.wake();
        this.pushes.wake();
        this.live.wake();
      }),
    );
  }

  /** Resolves once everything due is pushed, and pulled after that. */
  async catchUp(): Promise<void> {
    // News does not wait for what the server can't take now.
    this.pulls.wake();
    // A tab that died may have stored an edit, and told nobody.
    await this.replica.refresh();
    await this.push();
    // Records that the server wants later have timers of their own.
    if (this.replica.meta.pending > 0) await this.nothingPending();
    do await this.pulls.next();
    while (this.isBehind);
  }

  /** Pushes what is pending, records that wait included. */
  async push(): Promise<void> {
    this.pushing.forgetWaits();
    await this.pushes.next();
  }

  /** Ends requests under way, and resolves when nothing of it writes any more. */
  async stop(): Promise<void> {
    for (const stop of this.stops) stop();
    clearTimeout(this.echo);
    this.http.close();
    await Promise.all([this.pulls.stop(), this.pushes.stop(), this.live.stop()]);
  }

  private async pull(pulling: Pulling): Promise<number> {
    const { lastCommit } = this.pushing;
    const isNew = lastCommit !== undefined && lastCommit !== this.pulledCommit;
    // A token fails one pull at most: a restored server can read none of the old ones.
    this.pulledCommit = lastCommit;
    this.isBehind = await pulling.pull(isNew ? { after: lastCommit, wait_ms: MAX_WAIT } : {});
    if (this.isBehind) {
      this.pulledCommit = undefined;
      return ECHO_DELAY;
    }
    return (this.isLive ? LIVE_POLL_INTERVAL : POLL_INTERVAL) * (0.9 + Math.random() / 5);
  }

  private noteLive(isLive: boolean): void {
    if (isLive === this.isLive) return;
    this.isLive = isLive;
    if (this.status.error === null) this.tell({ phase: isLive ? 'live' : 'polling' });
    // What came before the connection, and another pause from now on.
    this.pulls.wake();
  }

  private nothingPending(): Promise<void> {
    return new Promise((resolve) => {
      const stop = this.replica.stored.add(() => {
        if (this.replica.meta.pending > 0) return;
        stop();
        resolve();
      });
    });
  }

  private pullEcho(): void {
    clearTimeout(this.echo);
    const isTold = this.pushing.lastCommit !== undefined;
    this.echo = setTimeout(() => this.pulls.wake(), isTold ? 0 : ECHO_DELAY);
  }

  private notePull(failure: Parameters<ConstructorParameters<typeof Loop>[1]>[0]): void {
    if (failure) this.tell({ phase: failure.trouble, error: describe(failure.error) });
    else {
      const phase = this.isLive ? 'live' : 'polling';
      this.tell({ phase, error: null, lastPulledAt: new Date().toISOString() });
      // The device is registered from here on.
      if (!this.hasPulled) this.live.start();
      this.hasPulled = true;
    }
  }

  /** Something that the app wrote, in any tab, is pushed at once. */
  private noteStored(): void {
    const { generation, pending } = this.replica.meta;
    if (generation === this.generation || pending === 0) return;
    this.generation = generation;
    this.pushes.wake();
  }

  private tell(change: Partial<SharedStatus>): void {
    this.status = { ...this.status, ...change };
    this.onStatus(this.status);
  }
}

function describe(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
