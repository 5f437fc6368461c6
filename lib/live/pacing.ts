import type { EndReason } from './live-sink.js';

/** Devices woken in a second: each of them pulls then. */
const WOKEN_PER_SECOND = 2_000;
const LONGEST_SPREAD_MS = 5_000;

/** The milliseconds over which the devices that one change wakes are spread, so that their pulls don't come at once. */
export function spreadOver(devices: number): number {
  return Math.min(LONGEST_SPREAD_MS, (devices * 1_000) / WOKEN_PER_SECOND);
}

/** Counts pokes, each of which fades within about a second. */
export class PokeRate {
  private count = 0;
  private at = 0;

  /** @param now milliseconds */
  add(now: number): void {
    this.count = this.lately(now) + 1;
    this.at = now;
  }

  /** The pokes of about the last second. */
  lately(now: number): number {
    return this.count * Math.exp((this.at - now) / 1_000);
  }
}

/**
 * The least milliseconds between two pokes of a device. Each poke costs a pull, so the pause grows with the pokes of all
 * devices: a device that is alone hears of each change at once.
 * @param rate pokes of about the last second
 * @param longest the pause of a busy instance
 */
export function pokeInterval(rate: number, longest: number): number {
  return Math.min(longest, (rate * 1_000) / WOKEN_PER_SECOND);
}

/** Times are milliseconds of one clock. */
export interface PokeTimes {
  readonly now: number;
  /** When the connection was last poked. */
  readonly last: number;
  /** The wait of this poke for its turn. */
  readonly delay: number;
  /** Least time between two pokes. */
  readonly interval: number;
}

/** The time at which a connection may be poked; the first poke does not wait. */
export function pokeDue({ now, last, delay, interval }: PokeTimes): number {
  return Math.max(now + delay, last + interval);
}

/** A time give or take a tenth, so that connections that began together drift apart. */
export function jittered(milliseconds: number, random = Math.random()): number {
  return milliseconds * (0.9 + 0.2 * random);
}

/** The least milliseconds after which a device may come back, and the most that chance adds to them. */
const RETRY: Readonly<Record<EndReason, readonly [least: number, spread: number]>> = {
  shutdown: [200, 1_000],
  max_age: [0, 1_000],
  too_slow: [1_000, 4_000],
  unauthorized: [1_000, 4_000],
  replaced: [5_000, 10_000],
};

/** Devices that come back in a second, of those that were ended together. */
const BACK_PER_SECOND = 1_000;

/**
 * The milliseconds after which a device is to come back.
 * @param together the number of devices that are ended at the same time
 */
export function retryAfter(reason: EndReason, together: number, random = Math.random()): number {
  const [least, spread] = RETRY[reason];
  return Math.round(least + random * Math.max(spread, (together * 1_000) / BACK_PER_SECOND));
}

/**
 * The milliseconds between two reads of the log's head. On an instance that doesn't consume, a device hears of a change
 * this much later at most, and a read costs a fraction of a millisecond.
 */
const READ_EVERY_MS = 30;
/** Each commit announces that the log has grown, and a second may have thousands of them. */
const LEAST_BETWEEN_READS_MS = 5;

/**
 * The milliseconds until the next read of the log's head.
 * @param isDue the WAL consumer has announced that the log has grown again
 */
export function nextReadIn(isDue: boolean): number {
  return isDue ? LEAST_BETWEEN_READS_MS : READ_EVERY_MS;
}
