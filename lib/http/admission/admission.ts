import type { ServerResponse } from 'node:http';
import { Inject, Injectable, ServiceUnavailableException } from '@nestjs/common';
import type { DataSource } from 'typeorm';
import { SyncLogger } from '../../common/sync-logger.js';
import { SYNC_DATA_SOURCE } from '../../database/data-source.token.js';
import { poolSize } from '../../database/pool.js';
import { SYNCHRO_OPTIONS } from '../../settings/synchro.options.js';
import type { SynchroSettings } from '../../settings/synchro.settings.js';
import { type HttpResponse, rawResponse, setRetryAfter } from '../answer.js';
import { FairGate, GateBusyError, type Leave } from './fair-gate.js';

/** Of one user: far more than a few devices have, as each has one request at a time. */
const MOST_WAITING = 100;
/** Well below the 60 s after which an SDK gives up. */
const PATIENCE_MS = 10_000;
/** A device that takes nothing of its answer for so long is cut off, as it may have lost its connection. */
const STALLED_MS = 30_000;
const LOG_EVERY_MS = 60_000;

/** The kinds of work of an instance: `read` is a pull or a page of a snapshot. */
export type Work = 'push' | 'read';

/** Of one user. A push takes time of everybody's; a second one of the same user would mostly wait for the first. */
const AT_WORK = { push: 1, read: 2 } as const;

/**
 * Of one user. Each is in memory, so that they are few; and there is a second place, so that a device that sends slowly
 * does not hold up the user's others.
 */
const LARGE_BODIES = 2;

/**
 * Of all users: what a large body is parsed to takes several times its size. More would not be done sooner, and pushes
 * of ordinary size don't wait for them.
 */
const LARGE_AT_WORK = 2;

/**
 * Gives each user a share of an instance, not all of it. Requests beyond that wait for their turn, and are answered
 * 503 when it doesn't come.
 */
@Injectable()
export class Admission {
  private readonly requests: FairGate;
  private readonly reads: FairGate;
  private readonly largeBodies: FairGate;
  private readonly largeWork = gate(LARGE_AT_WORK, 1);
  private pushes: FairGate | null = null;
  /** Gives a request's place back. */
  private readonly places = new WeakMap<ServerResponse, Leave>();
  private readonly logger: SyncLogger;
  private quietUntil = 0;

  constructor(
    @Inject(SYNC_DATA_SOURCE) private readonly dataSource: DataSource,
    @Inject(SYNCHRO_OPTIONS)
    private readonly options: Pick<SynchroSettings, 'limits' | 'retryAfter' | 'logger'>,
  ) {
    this.requests = gate(Infinity, options.limits.requestsPerUser);
    this.reads = gate(Infinity, AT_WORK.read);
    this.largeBodies = gate(Infinity, LARGE_BODIES);
    this.logger = new SyncLogger(options.logger, 'Synchro');
  }

  /**
   * Resolves when the user's request may come in.
   * @returns to be called when it is done. It keeps its place until its answer has been taken besides, or can't be: an
   *   answer that is not read is memory, too.
   * @throws ServiceUnavailableException with a `Retry-After`
   */
  async request(user: string, response: HttpResponse): Promise<Leave> {
    const raw = rawResponse(response);
    const leave = await this.enter(this.requests, user, response);
    this.places.set(raw, leave);
    raw.setTimeout(STALLED_MS, () => {
      if (raw.headersSent) raw.destroy();
    });
    return () => leaveWhenClosed(raw, leave);
  }

  /** Lets go of a request whose answer goes on for as long as its device likes: that takes no place of the user's. */
  release(response: HttpResponse): void {
    const raw = rawResponse(response);
    raw.setTimeout(0);
    this.places.get(raw)?.();
  }

  /** The same for a large body: its beginning is read before, and its place ends with its answer. */
  async largeBody(user: string, response: HttpResponse): Promise<void> {
    leaveWhenClosed(rawResponse(response), await this.enter(this.largeBodies, user, response));
  }

  /**
   * The same for work on a request whose body is there.
   * @returns to be called when it is done
   */
  async work(work: Work, isLarge: boolean, user: string, response: HttpResponse): Promise<Leave> {
    if (!isLarge) return this.enter(this.gateOf(work), user, response);
    // First, so that those who wait here take no place of ordinary pushes.
    const leaveLarge = await this.enter(this.largeWork, user, response);
    try {
      const leave = await this.enter(this.gateOf(work), user, response);
      return () => {
        leave();
        leaveLarge();
      };
    } catch (error) {
      leaveLarge();
      throw error;
    }
  }

  private gateOf(work: Work): FairGate {
    if (work === 'read') return this.reads;
    // Not before: the pool is there by then.
    return (this.pushes ??= gate(
      this.options.limits.pushes ?? Math.max(1, Math.floor(poolSize(this.dataSource) / 2)),
      AT_WORK.push,
    ));
  }

  private async enter(gate: FairGate, user: string, response: HttpResponse): Promise<Leave> {
    const raw = rawResponse(response);
    const isGone = (): boolean => raw.closed || raw.headersSent;
    try {
      const leave = await gate.enter(user, isGone);
      if (!isGone()) return leave;
      leave();
      throw new GateBusyError();
    } catch (error) {
      if (!(error instanceof GateBusyError)) throw error;
      if (isGone()) throw new ServiceUnavailableException('the request was given up before its turn');
      this.report(user);
      setRetryAfter(response, this.retryAfter());
      throw new ServiceUnavailableException('too many requests at once');
    }
  }

  /** Up to twice the usual time, so that requests that are refused together don't come back together. */
  retryAfter(): number {
    return Math.max(1, Math.round(this.options.retryAfter * (1 + Math.random())));
  }

  private report(userId: string): void {
    const now = performance.now();
    if (now < this.quietUntil) return;
    this.quietUntil = now + LOG_EVERY_MS;
    this.logger.warn(
      'requests were answered 503, as too many wait (see limits.requestsPerUser and limits.pushes)',
      {
        userId,
      },
    );
  }
}

function gate(total: number, perUser: number): FairGate {
  return new FairGate({ total, perUser, waiting: MOST_WAITING, patience: PATIENCE_MS });
}

function leaveWhenClosed(raw: ServerResponse, leave: Leave): void {
  if (raw.closed) leave();
  else raw.once('close', leave);
}
