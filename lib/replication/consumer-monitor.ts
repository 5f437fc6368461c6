import { Injectable } from '@nestjs/common';
import { LogSignal } from '../live/log-signal.js';

/**
 * State of this instance's WAL consumer:
 * - `off`: none (`replication: false`), or the app is shutting down
 * - `starting`: before the stream
 * - `consuming`: it holds the slot
 * - `standby`: another instance holds the slot
 * - `failing`: a session ended with an error, and no session has applied or confirmed anything since; it tries again
 */
export type ConsumerState = 'off' | 'starting' | 'consuming' | 'standby' | 'failing';

export interface ConsumerReport {
  readonly state: ConsumerState;
  /** When it came into this state. */
  readonly since: Date;
  /** While `failing`: what ended the last session; a database error without row data. */
  readonly error: string | null;
}

/** The consumer's state, as the consumer reports it and health checks read it. */
@Injectable()
export class ConsumerMonitor {
  private current: ConsumerReport = { state: 'off', since: new Date(), error: null };

  constructor(readonly log: LogSignal) {}

  get report(): ConsumerReport {
    return this.current;
  }

  enter(state: ConsumerState, error: string | null = null): void {
    if (state === this.current.state && error === this.current.error) return;
    const since = state === this.current.state ? this.current.since : new Date();
    this.current = { state, since, error };
  }
}
