import type { DeviceOptions } from '../support/device.js';
import type { PushChange, WireAnswer } from '../support/wire.js';
import type { Phone } from './phone.js';

/** A request as a phone sent it, and what came back. Times are microseconds since 1970. */
export interface Exchange {
  readonly phone: Phone;
  readonly path: string;
  readonly body: unknown;
  readonly answer: WireAnswer;
  readonly sent: number;
  readonly received: number;
  /** When the phone sent the last pull whose answer it took. */
  readonly lastPull: number;
  /**
   * The same of the last pull before which nothing waited for the consumer that a pull of the phone had left to it: what
   * was noticed since then may still have to be told.
   */
  readonly lastTold: number;
  /** When its last snapshot began; 0: never. */
  readonly snapshotAt: number;
  /** When it began to read the schema that it goes by; 0: never. */
  readonly schemaAt: number;
  /** Something was broken on purpose meanwhile, so that requests may fail. */
  readonly isDisturbed: boolean;
}

export interface PhoneOptions extends DeviceOptions {
  readonly record: (exchange: Exchange) => void;
  /** Called before each request that reads. */
  readonly before: () => Promise<void>;
  readonly isDisturbed: () => boolean;
  /** Milliseconds by which its clock is wrong. */
  readonly skew: number;
  /** Ids of the rows that any device of the user has made. */
  readonly work: Set<string>;
}

/** Of a request that has failed on its way. */
export const NO_ANSWER: WireAnswer = { status: 0, headers: new Headers(), text: '', json: null };

/** Microseconds since 1970, by the system's clock as PostgreSQL's are. */
export function now(): number {
  return Date.now() * 1_000;
}

/** A change as a device makes it whose clock is wrong by some milliseconds. */
export function byClock(change: PushChange, skew: number): PushChange {
  const { client_updated_at: time } = change;
  if (skew === 0 || time === undefined) return change;
  return { ...change, client_updated_at: new Date(Date.parse(time) + skew).toISOString() };
}
