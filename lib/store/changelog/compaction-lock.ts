import { Client, type ClientConfig } from 'pg';
import { SynchroError } from '../../common/errors.js';
import { unlimitedSql } from '../../database/session-settings.js';

/** Key of the advisory lock that a compaction holds from its first statement to its last. */
const COMPACTION_LOCK = 91_110_047;

/** However long the others take, and however long this one is idle: the host's limits are not meant for it. */
const BEGIN = `BEGIN; SET LOCAL lock_timeout = 0; SET LOCAL statement_timeout = 0;
  SET LOCAL idle_in_transaction_session_timeout = 0; SELECT ${unlimitedSql({ local: true })}`;

/**
 * Runs `work` while no other instance does the same.
 *
 * The lock lives in a transaction on a connection of its own: the pool's connections are for the work, and a pooler
 * between transactions could hand a session's lock to somebody else. That transaction has neither an id nor a
 * snapshot, so it holds no vacuum back. Nothing depends on it but the wish not to do the same work twice: when its
 * connection breaks, the work goes on.
 * @param wait false: don't wait for another run to end
 * @returns null when another one is at it, and `wait` is false
 * @throws SynchroError `temporarily_unavailable` when the signal is aborted before it is this one's turn
 */
export async function whileAlone<Result>(
  config: ClientConfig,
  { wait, signal }: { readonly wait: boolean; readonly signal: AbortSignal },
  work: () => Promise<Result>,
): Promise<Result | null> {
  const client = new Client({ ...config, application_name: 'nestjs-synchro compaction' });
  client.on('error', () => undefined);
  const giveUp = (): void => void client.end().catch(() => undefined);
  try {
    await client.connect();
    // Only now: a client that is ended while it connects never settles its promise.
    signal.addEventListener('abort', giveUp);
    signal.throwIfAborted();
    await client.query(BEGIN);
    const locked = await lock(client, wait);
    signal.removeEventListener('abort', giveUp);
    return locked ? await work() : null;
  } catch (error) {
    if (!signal.aborted) throw error;
    throw new SynchroError('temporarily_unavailable', 'not compacted: the app is shutting down', undefined, {
      cause: error,
    });
  } finally {
    signal.removeEventListener('abort', giveUp);
    await client.end().catch(() => undefined);
  }
}

async function lock(client: Client, wait: boolean): Promise<boolean> {
  const { rows } = await client.query<{ locked: boolean }>(
    wait
      ? 'SELECT true AS locked FROM pg_advisory_xact_lock($1)'
      : 'SELECT pg_try_advisory_xact_lock($1) AS locked',
    [COMPACTION_LOCK],
  );
  return rows[0]?.locked ?? false;
}
