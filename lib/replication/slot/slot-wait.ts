import type { ClientBase } from 'pg';
import { quoteLiteral } from '../../common/identifiers.js';

/** So long a slot is being made before it is said what for. */
const PATIENCE_MS = 3_000;

/** A transaction that was open before and blocks the creation of a slot. */
export interface SlotBlocker {
  /** Its session, and since when it is open. */
  readonly description: string;
  /** The SQL that ends it. */
  readonly fix: string;
}

/**
 * A new slot begins where no transaction is open that began before it, so making one waits for all of them, those of other
 * databases included. Names the one that is waited for.
 * @param observer a connection that is idle meanwhile
 * @param pid of the backend that makes the slot
 * @returns what `create` does
 */
export async function namingBlocker<Result>(
  observer: ClientBase,
  pid: number | null,
  create: () => Promise<Result>,
  onWait: (blocker: SlotBlocker) => void,
): Promise<Result> {
  let observing = Promise.resolve();
  const timer = setTimeout(() => {
    // The next query on a broken connection gets the error.
    observing = findBlocker(observer, pid).then(
      (blocker) => (blocker ? onWait(blocker) : undefined),
      () => undefined,
    );
  }, PATIENCE_MS);
  try {
    return await create();
  } finally {
    clearTimeout(timer);
    await observing;
  }
}

interface BlockerRow {
  readonly pid: number | null;
  readonly prepared: string | null;
  readonly role: string | null;
  readonly database: string | null;
  readonly application: string | null;
  readonly age: string | null;
  readonly query_began: string | null;
}

async function findBlocker(observer: ClientBase, pid: number | null): Promise<SlotBlocker | null> {
  // Columns of other sessions that the role may not see are null.
  const { rows } = await observer.query<BlockerRow>(
    `SELECT held.pid, p.gid AS prepared, coalesce(a.usename, p.owner)::text AS role, coalesce(a.datname, p.database)::text AS database,
            a.application_name AS application, date_trunc('second', now() - coalesce(a.xact_start, p.prepared))::text AS age,
            date_trunc('second', a.query_start)::text AS query_began
       FROM pg_locks waiting
       JOIN pg_locks held ON held.locktype = 'transactionid' AND held.transactionid = waiting.transactionid AND held.granted
       LEFT JOIN pg_stat_activity a ON a.pid = held.pid
       LEFT JOIN pg_prepared_xacts p ON p.transaction = held.transactionid
      WHERE waiting.pid = $1 AND NOT waiting.granted LIMIT 1`,
    [pid],
  );
  const [row] = rows;
  return row ? toBlocker(row) : null;
}

function toBlocker(row: BlockerRow): SlotBlocker {
  const { pid, prepared, role, database, application, age, query_began: began } = row;
  const name = prepared === null ? `of process ${pid}` : `that was prepared as ${JSON.stringify(prepared)}`;
  const facts = [
    `user ${role ?? '?'}`,
    `database ${database ?? '?'}`,
    ...(application ? [`application ${JSON.stringify(application)}`] : []),
    ...(age === null ? [] : [`open for ${age}`]),
    ...(began === null ? [] : [`its last query began at ${began}`]),
  ];
  return {
    description: `the transaction ${name} (${facts.join(', ')})`,
    fix:
      prepared === null
        ? `end it where it was begun, or: SELECT pg_terminate_backend(${pid});`
        : `in database ${database}: COMMIT PREPARED or ROLLBACK PREPARED ${quoteLiteral(prepared)};`,
  };
}
