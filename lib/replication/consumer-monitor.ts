import { Injectable } from '@nestjs/common';
import { LogSignal } from '../live/log-signal.js';

/**
 * What this instance's WAL consumer is doing:
 * - `off`: it has none (`replication: false`), or the app is shutting down
 * - `starting`: it has not got as far as the stream yet
 * - `consuming`: it holds the slot
 * - `standby`: another instance holds it
 * - `failing`: a session ended with an error, and none has applied or confirmed anything since; it tries again
 */
export type ConsumerState = 'off' | 'starting' | 'consuming' | 'standby' | 'failing';

export interface ConsumerReport {
  readonly state: ConsumerState;
  /** When it came into this state. */
  readonly since: Date;
  /** While `failing`: what ended the last session; a database error without row data. */
  readonly error: string | null;
}

/** Where the consumer says what it is doing, for whoever asks. */
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
