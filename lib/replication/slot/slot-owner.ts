import type { ClientBase } from 'pg';
import { problemsOf, SynchroError, type SynchroProblem } from '../../common/errors.js';
import { quoteLiteral } from '../../common/identifiers.js';

/** Whose a slot is, as `pg_replication_slots` has it. */
export interface SlotOwner {
  /** null: a physical slot. */
  readonly plugin: string | null;
  /** null: a physical slot. */
  readonly database: string | null;
  readonly temporary: boolean;
  /** It is of the database at hand. */
  readonly ours: boolean;
}

export const SLOT_OWNER_COLUMNS = 'plugin, database, temporary, database = current_database() AS ours';

/**
 * Slots are known to a whole server: two apps on one server need two names, also with a database each.
 * @throws SynchroError `slot_taken` when a slot of that name serves something else
 */
export function checkSlotOwner(name: string, { plugin, database, temporary, ours }: SlotOwner): void {
  if (plugin === 'pgoutput' && ours && !temporary) return;
  const whose =
    database === null
      ? 'is a physical slot, e.g. of a standby server'
      : !ours
        ? `belongs to database ${database} of the same server (slot names are unique in a whole server)`
        : temporary
          ? 'is temporary: it goes with the session that has made it'
          : `decodes with the plugin ${plugin}, not with pgoutput`;
  throw new SynchroError(
    'slot_taken',
    `replication slot ${name} ${whose}`,
    `choose another replication.slotName for this app, e.g. ${otherName(name)}; or, if no app needs the slot: SELECT pg_drop_replication_slot(${quoteLiteral(name)});`,
  );
}

/** Problems that {@link checkSlotOwner} finds at start. */
export function slotOwnerProblems(client: ClientBase, name: string): Promise<readonly SynchroProblem[]> {
  return problemsOf('PostgreSQL', 'replication slot', async () => {
    const { rows } = await client.query<SlotOwner>(
      `SELECT ${SLOT_OWNER_COLUMNS} FROM pg_replication_slots WHERE slot_name = $1`,
      [name],
    );
    const [owner] = rows;
    if (owner) checkSlotOwner(name, owner);
  });
}

function otherName(name: string): string {
  return `${name.slice(0, 61)}_2`;
}
