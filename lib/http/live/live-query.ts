import { SynchroError } from '../../common/errors.js';
import { isKey } from '../is-text.js';
import { MAX_INT64 } from '../is-int64.js';
import type { HttpRequest } from '../sync-request.js';

/** A device's query of the live channel. */
export interface LiveQuery {
  readonly clientId: string;
  /** The device's checkpoint; null: the query has none. */
  readonly since: bigint | null;
  /** Milliseconds that a long poll waits; null: a stream. */
  readonly wait: number | null;
}

const DEFAULT_WAIT = 25n;
/** Seconds, just below the timeouts of proxies and SDKs. */
const MOST_WAIT = 55n;

/** @throws SynchroError `bad_request` naming the key that can't be read */
export function liveQuery({ url = '', headers }: HttpRequest): LiveQuery {
  const query = new URLSearchParams(url.split('?')[1] ?? '');
  const clientId = query.get('client_id') ?? '';
  if (clientId === '') throw new SynchroError('bad_request', 'client_id is required');
  if (!isKey(clientId)) throw new SynchroError('bad_request', 'invalid client_id');
  const checkpoints = [
    integer('since', query.get('since')),
    integer('Last-Event-ID', headers['last-event-id'] ?? null),
  ].filter((checkpoint) => checkpoint !== null);
  const wait = integer('wait', query.get('wait')) ?? DEFAULT_WAIT;
  const isStream = /\btext\/event-stream\b/i.test(String(headers['accept'] ?? ''));
  return {
    clientId,
    since: checkpoints.length === 0 ? null : largest(checkpoints),
    wait: isStream ? null : Number(wait < MOST_WAIT ? wait : MOST_WAIT) * 1_000,
  };
}

/** Takes an empty text for none: an event without an id resets a stream's last one. */
function integer(key: string, text: string | readonly string[] | null): bigint | null {
  if (text === null || text === '') return null;
  if (typeof text === 'string' && /^\d{1,19}$/.test(text)) {
    const value = BigInt(text);
    if (value <= MAX_INT64) return value;
  }
  throw new SynchroError('bad_request', `${key} is no checkpoint or number of seconds`);
}

function largest(numbers: readonly bigint[]): bigint {
  return numbers.reduce((most, number) => (number > most ? number : most));
}
