import type { History } from '../../../test/oracle/history.js';
import { violation, type Violation } from '../../../test/oracle/violation.js';
import type { TableName } from '../../../test/oracle/world/tables.js';
import { rowKey } from '../../../test/oracle/ids.js';
import { SyncError } from '../../src/index.js';
import type { Write } from '../../src/engine/edits.js';
import type { Refused } from '../../src/records/record.js';
import type { Verdict } from '../../src/records/verdict.js';
import { Diary } from './diary.js';
import type { StoreNews } from './telling-store.js';

/** One edit as its user made it. No two have the same title. */
export interface Typed {
  readonly table: TableName;
  readonly id: string;
  readonly operation: 'create' | 'update' | 'delete';
  /** null: a delete. */
  readonly title: string | null;
  /** The id of the record that it is made under; null where there is none, or it does not say. */
  readonly above: string | null;
}

interface Entry extends Typed {
  /** In the order of what happened to all edits: when the user made it, and when it was stored or refused. */
  readonly began: number;
  ended: number;
  /** `unknown`: the process died before it could say. */
  state: 'calling' | 'stored' | 'refused' | 'unknown';
  verdict: Verdict | null;
  /** The user has given it up. */
  isDropped: boolean;
}

/** What a user typed on one device, and what became of it. */
export class Ledger implements StoreNews {
  readonly diary = new Diary();
  private entries: Entry[] = [];
  private moment = 0;

  constructor(private readonly user: string) {}

  /** Notes edits, and makes them by `work`. Errors that a user may get are no failure. */
  async type(typed: readonly Typed[], work: () => Promise<readonly Write[]>): Promise<void> {
    const began = (this.moment += 1);
    const entries = typed.map((each): Entry => ({
      ...each,
      began,
      ended: Infinity,
      state: 'calling',
      verdict: null,
      isDropped: false,
    }));
    this.entries.push(...entries);
    try {
      const writes = await work();
      entries.forEach((entry, n) => {
        entry.state = 'stored';
        void writes[n]?.verdict.then((verdict) => {
          entry.verdict = verdict;
          this.diary.note(`the verdict on "${entry.title}": ${JSON.stringify(verdict)}`, [entry.id]);
        });
      });
    } catch (error) {
      if (!mayFail(error)) throw error;
      const isClosed = error instanceof SyncError && error.code === 'closed';
      for (const entry of entries) entry.state = isClosed ? 'unknown' : 'refused';
    }
    this.moment += 1;
    for (const entry of entries) {
      entry.ended = this.moment;
      this.diary.note(`${entry.operation} "${entry.title}": ${entry.state}`, [entry.id]);
    }
  }

  /** Of {@link StoreNews}. */
  readonly stored: StoreNews['stored'] = (writes) => this.diary.noteStored(writes);

  /** Of {@link StoreNews}. */
  readonly gone: StoreNews['gone'] = (refused) => {
    this.diary.note(`the store is emptied of ${refused.length} refused edits`);
    for (const item of refused) this.drop(item);
  };

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
    return this.entries.flatMap((entry) => {
      const { table, id, title, state, verdict, isDropped } = entry;
      if (isDropped || title === null || state === 'refused' || state === 'unknown') return [];
      const status = verdict?.status ?? 'none';
      const later = this.notBefore(entry);
      const isKept = rejected.some((item) => isOf(item, table, id) && item.patch['title'] === title);
      const isThere = history.of(table, id).some(({ row }) => row['title'] === title);
      const isMerged = later.some((other) => isOf(other, table, id));
      const above = this.above(entry);
      // Where nobody waits any more, a record that goes with the one above it has the verdict `undecided`.
      const isTakenAlong = later.some(
        ({ operation, id: other }) => operation === 'delete' && above.has(other),
      );
      const isParked = parked.has(`${this.user} ${rowKey(table, id)}`);
      if (status !== 'none' && (isThere || isMerged || isParked || isTakenAlong)) return [];
      if (isKept && status !== 'applied' && status !== 'none') return [];
      const what = `${this.user} typed "${title}", whose verdict is ${status}: it is nowhere`;
      return [violation('loss', table, id, `${what}\n${this.diary.about([id, ...above])}`)];
    });
  }

  /** The edits that were not over when this one was made: tabs write at the same time. */
  private notBefore(entry: Entry): readonly Entry[] {
    return this.entries.filter(
      (other) => other !== entry && other.state !== 'refused' && other.ended > entry.began,
    );
  }

  /** The ids of the records above one, as far as they were made here. */
  private above({ id }: Typed): ReadonlySet<string> {
    const found = new Set<string>();
    for (let next: string | null | undefined = id; next !== null && next !== undefined;) {
      const below: string = next;
      next = this.entries.find((other) => other.id === below && other.above !== null)?.above;
      if (typeof next === 'string') found.add(next);
    }
    return found;
  }

  /** What became of each edit. */
  outcomes(): readonly string[] {
    return this.entries.map(({ state, verdict }) =>
      state === 'stored' ? (verdict?.status ?? 'open') : state,
    );
  }

  forget(): void {
    this.entries = [];
    this.diary.forget();
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
