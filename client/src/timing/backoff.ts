import { HttpError } from '../wire/http.js';

/** The reason for which no request succeeds; see `Status.phase`. */
export type Trouble = 'offline' | 'needs-auth' | 'needs-upgrade';

export interface Retry {
  readonly trouble: Trouble;
  /** Milliseconds until the next try, unless something wakes it. */
  readonly delay: number;
  /** Milliseconds before which nothing wakes it. */
  readonly earliest: number;
}

const FIRST_DELAY = 1_000;
const MAX_DELAY = 60_000;
const UPGRADE_DELAY = 300_000;
/** Where an app writes many times a second, its writes don't try as often. */
const MIN_PAUSE = 1_000;

/**
 * The wait after a failure. Doubles from 1 s to 60 s, with jitter, so that devices that were cut off together
 * don't come back together.
 *
 * @param failures The failures in a row before this one.
 * @param random From 0 to 1.
 */
export function retryAfter(error: unknown, failures: number, random: number): Retry {
  const doubled = Math.min(MAX_DELAY, FIRST_DELAY * 2 ** failures) * (0.5 + random / 2);
  if (!(error instanceof HttpError)) {
    return { trouble: 'offline', delay: doubled, earliest: Math.min(doubled, MIN_PAUSE) };
  }
  if (error.status === 426) {
    return { trouble: 'needs-upgrade', delay: UPGRADE_DELAY * (0.5 + random / 2), earliest: MIN_PAUSE };
  }
  const asked = error.retryAfter * (1 + random / 4);
  const trouble = error.status === 401 || error.status === 403 ? 'needs-auth' : 'offline';
  return {
    trouble,
    delay: Math.max(doubled, asked),
    earliest: Math.max(asked, Math.min(doubled, MIN_PAUSE)),
  };
}
