import type { History } from '../../../test/oracle/history.js';
import { violation, type Violation } from '../../../test/oracle/violation.js';
import type { TableName } from '../../../test/oracle/world/tables.js';
import { rowKey } from '../../../test/oracle/ids.js';
import { SyncError } from '../../src/index.js';
import type { Write } from '../../src/engine/edits.js';
import type { Refused } from '../../src/records/record.js';
import type { Verdict } from '../../src/records/verdict.js';

/** One edit as its user made it. No two have the same title. */
export interface Typed {
  readonly table: TableName;
  readonly id: string;
  readonly operation: 'create' | 'update' | 'delete';
  /** null: a delete. */
  readonly title: string | null;
}

interface Entry extends Typed {
  /** `unknown`: the process died before it could say. */
  state: 'calling' | 'stored' | 'refused' | 'unknown';
  verdict: Verdict | null;
  /** The user has given it up. */
  isDropped: boolean;
}

/** What a user typed on one device, and what became of it. */
export class Ledger {
  private entries: Entry[] = [];

  constructor(private readonly user: string) {}

  /** Notes edits, and makes them by `work`. Errors that a user may get are no failure. */
  async type(typed: readonly Typed[], work: () => Promise<readonly Write[]>): Promise<void> {
    const entries = typed.map((each): Entry => ({
      ...each,
      state: 'calling',
      verdict: null,
      isDropped: false,
    }));
    this.entries.push(...entries);
    try {
      const writes = await work();
      entries.forEach((entry, n) => {
        entry.state = 'stored';
        void writes[n]?.verdict.then((verdict) => (entry.verdict = verdict));
      });
    } catch (error) {
      if (!mayFail(error)) throw error;
      const isClosed = error instanceof SyncError && error.code === 'closed';
      for (const entry of entries) entry.state = isClosed ? 'unknown' : 'refused';
    }
  }

  /** The user has discarded an edit that the server refused. */
  drop({ table, id, patch }: Refused): void {
    for (const entry of this.entries)
      if (isOf(entry, table, id) && entry.title === (patch['title'] ?? null)) entry.isDropped = true;
  }

  /** The user signs out, and wants no edit of theirs to be kept. */
  dropAll(): void {
    for (const entry of this.entries) entry.isDropped = true;
  }

  /** Edits whose verdict has not come. */
  open(): readonly Typed[] {
    return this.entries.filter(
      ({ state, verdict }) => state === 'calling' || (state === 'stored' && !verdict),
    );
  }

  /** What was lost, at rest. */
  judge(history: History, rejected: readonly Refused[], parked: ReadonlySet<string>): readonly Violation[] {
    return this.entries.flatMap((entry, n) => {
      const { table, id, title, state, verdict, isDropped } = entry;
      if (isDropped || title === null || state === 'refused' || state === 'unknown') return [];
      const status = verdict?.status ?? 'none';
      const later = this.entries.slice(n + 1).filter((other) => other.state !== 'refused');
      const isKept = rejected.some((item) => isOf(item, table, id) && item.patch['title'] === title);
      const isThere = history.of(table, id).some(({ row }) => row['title'] === title);
      const isMerged = later.some((other) => isOf(other, table, id));
      const isTakenBack = status === 'discarded' && later.some(({ operation }) => operation === 'delete');
      const isParked = parked.has(`${this.user} ${rowKey(table, id)}`);
      if (status !== 'none' && (isThere || isMerged || isParked || isTakenBack)) return [];
      if (isKept && status !== 'applied' && status !== 'none') return [];
      return [
        violation(
          'loss',
          table,
          id,
          `${this.user} typed "${title}", whose verdict is ${status}: it is nowhere`,
        ),
      ];
    });
  }

  /** What became of each edit. */
  outcomes(): readonly string[] {
    return this.entries.map(({ state, verdict }) =>
      state === 'stored' ? (verdict?.status ?? 'open') : state,
    );
  }

  forget(): void {
    this.entries = [];
  }
}

/** The device has not heard of its tables yet, has no space, or the row has gone while the user looked at it. */
function mayFail(error: unknown): boolean {
  if (error instanceof DOMException) return error.name === 'QuotaExceededError';
  return error instanceof SyncError && EXPECTED.has(error.code);
}

const EXPECTED: ReadonlySet<string> = new Set([
  'no_schema',
  'closed',
  'record_not_found',
  'record_exists',
  'nothing_rejected',
]);

function isOf(of: { readonly table: string; readonly id: string }, table: string, id: string): boolean {
  return rowKey(of.table, of.id) === rowKey(table, id);
}
