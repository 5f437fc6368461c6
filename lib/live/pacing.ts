import type { EndReason } from './live-sink.js';

/** Devices that are woken in a second, as each of them pulls then. */
const WOKEN_PER_SECOND = 2_000;
const LONGEST_SPREAD_MS = 5_000;

/**
 * How long the devices that one change wakes are spread over, in milliseconds, so that their pulls don't come at one
 * instant.
 */
export function spreadOver(devices: number): number {
  return Math.min(LONGEST_SPREAD_MS, (devices * 1_000) / WOKEN_PER_SECOND);
}

/** Times are milliseconds of one clock. */
export interface PokeTimes {
  readonly now: number;
  /** When the connection was last poked. */
  readonly last: number;
  /** How long this poke waits for its turn. */
  readonly delay: number;
  /** Least time between two pokes. */
  readonly interval: number;
}

/** When a connection may be poked: the first time at once. */
export function pokeDue({ now, last, delay, interval }: PokeTimes): number {
  return Math.max(now + delay, last + interval);
}

/** A time give or take a tenth, so that what began together doesn't go on together. */
export function jittered(milliseconds: number, random = Math.random()): number {
  return milliseconds * (0.9 + 0.2 * random);
}

/** Milliseconds: the least time after which a device may come back, and for how much longer it may be told to wait. */
const RETRY: Readonly<Record<EndReason, readonly [least: number, spread: number]>> = {
  shutdown: [200, 1_000],
  max_age: [0, 1_000],
  too_slow: [1_000, 4_000],
  unauthorized: [1_000, 4_000],
  replaced: [5_000, 10_000],
};

/** Of those who are ended together, so many come back in a second. */
const BACK_PER_SECOND = 1_000;

/**
 * After how many milliseconds a device is to come back.
 * @param together how many are told so at the same time
 */
export function retryAfter(reason: EndReason, together: number, random = Math.random()): number {
  const [least, spread] = RETRY[reason];
  return Math.round(least + random * Math.max(spread, (together * 1_000) / BACK_PER_SECOND));
}

/**
 * On an instance that doesn't consume, a device hears of a change this much later at most, and a look costs a fraction of
 * a millisecond.
 */
const LOOK_EVERY_MS = 30;
/** Each commit says that the log has grown, and there may be thousands in a second. */
const LEAST_BETWEEN_LOOKS_MS = 5;

/**
 * How long to wait until the log's head is looked at again, in milliseconds.
 * @param isTold the WAL consumer has said that it has grown again
 */
export function nextLook(isTold: boolean): number {
  return isTold ? LEAST_BETWEEN_LOOKS_MS : LOOK_EVERY_MS;
}
