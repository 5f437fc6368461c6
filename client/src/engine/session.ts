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

/** Between two pulls: 30 s ± 10 %, and longer while the live channel announces news. */
const POLL_INTERVAL = 30_000;
const LIVE_POLL_INTERVAL = 300_000;
/** Until the server's log is likely to have an own push, where no token tells the pull to wait for it. */
const ECHO_DELAY = 300;
const MAX_WAIT = 5_000;

/** Pulls and pushes, in the one tab that leads. Neither waits for the other. */
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
      for (const { key, updatedAt } of applied) pulling.recordApplied(key, updatedAt);
      this.pullEcho();
    });
    this.pulls = new Loop(
      () => this.pull(pulling),
      (failure) => this.reportPull(failure),
    );
    this.pushes = new Loop(
      () => this.pushing.push(),
      (failure) => failure && this.report({ error: describe(failure.error) }),
    );
    const live = new Live(this.http, replica, {
      onNews: () => this.pulls.wake(),
      onLive: (isLive) => this.setLive(isLive),
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
      this.replica.stored.add(() => this.pushStored()),
      whenWorthTrying(() => {
        this.pulls.wake();
        this.pushes.wake();
        this.live.wake();
      }),
    );
  }

  /** Resolves once everything due is pushed, and pulled after that. */
  async catchUp(): Promise<void> {
    // A push that the server can't take now does not delay the pull.
    this.pulls.wake();
    // A tab that died may have stored an edit without an announcement.
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

  /** Ends requests under way, and resolves after the last write. */
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

  private setLive(isLive: boolean): void {
    if (isLive === this.isLive) return;
    this.isLive = isLive;
    if (this.status.error === null) this.report({ phase: isLive ? 'live' : 'polling' });
    // Pulls the changes from before the connection, and begins the other interval.
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
    const hasCommit = this.pushing.lastCommit !== undefined;
    this.echo = setTimeout(() => this.pulls.wake(), hasCommit ? 0 : ECHO_DELAY);
  }

  private reportPull(failure: Parameters<ConstructorParameters<typeof Loop>[1]>[0]): void {
    if (failure) this.report({ phase: failure.trouble, error: describe(failure.error) });
    else {
      const phase = this.isLive ? 'live' : 'polling';
      this.report({ phase, error: null, lastPulledAt: new Date().toISOString() });
      // The device is registered from here on.
      if (!this.hasPulled) this.live.start();
      this.hasPulled = true;
    }
  }

  /** Pushes at once when the app has written, in any tab. */
  private pushStored(): void {
    const { generation, pending } = this.replica.meta;
    if (generation === this.generation || pending === 0) return;
    this.generation = generation;
    this.pushes.wake();
  }

  private report(change: Partial<SharedStatus>): void {
    this.status = { ...this.status, ...change };
    this.onStatus(this.status);
  }
}

function describe(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
