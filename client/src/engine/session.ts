import { Http, type HttpOptions } from '../wire/http.js';
import { Connection } from './connection.js';
import { Loop } from './loop.js';
import { Pulling } from './pulling.js';
import { Pushing } from './pushing.js';
import type { Replica } from './replica.js';
import { INITIAL_STATUS, type SharedStatus } from './status.js';
import { whenWorthTrying } from './worth-trying.js';

export interface SessionOptions extends HttpOptions {
  readonly platform: string;
}

/** Between two pulls without a live channel: 30 s ± 10 %. */
const POLL_INTERVAL = 30_000;
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
      }),
    );
  }

  /** Resolves once everything due is pushed, and pulled after that. */
  async catchUp(): Promise<void> {
    // News does not wait for what the server can't take now.
    this.pulls.wake();
    await this.push();
    // Records that the server wants later have timers of their own.
    if (this.replica.meta.pending > 0) await this.nothingPending();
    await this.pulls.next();
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
    await Promise.all([this.pulls.stop(), this.pushes.stop()]);
  }

  private async pull(pulling: Pulling): Promise<number> {
    const { lastCommit } = this.pushing;
    const isNew = lastCommit !== undefined && lastCommit !== this.pulledCommit;
    const isBehind = await pulling.pull(isNew ? { after: lastCommit, wait_ms: MAX_WAIT } : {});
    if (isBehind) return 0;
    this.pulledCommit = lastCommit;
    return POLL_INTERVAL * (0.9 + Math.random() / 5);
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
    else this.tell({ phase: 'polling', error: null, lastPulledAt: new Date().toISOString() });
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
