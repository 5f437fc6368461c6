import { LOCK_MODES, type LockMode } from './row-sql.js';

/** The rows of one table that are to be locked, all in one mode: by one statement, in one order. */
interface TableLocks {
  readonly ids: Set<string>;
  readonly mode: LockMode;
}

const NONE: TableLocks = { ids: new Set(), mode: 'SHARE' };

/** The rows that a push still has to lock, by table. A table's rows are locked in the strongest mode that one of them needs. */
export class NeededLocks {
  private readonly tables = new Map<string, TableLocks>();

  add(table: string, id: string, mode: LockMode): void {
    const known = this.tables.get(table) ?? { ids: new Set(), mode };
    known.ids.add(id);
    this.tables.set(table, isStronger(mode, known.mode) ? { ...known, mode } : known);
  }

  of(table: string): TableLocks {
    return this.tables.get(table) ?? NONE;
  }
}

function isStronger(mode: LockMode, than: LockMode): boolean {
  return LOCK_MODES.indexOf(mode) > LOCK_MODES.indexOf(than);
}
