import { upsert } from '../../common/collections.js';
import type { SyncTable } from '../../registry/sync-table.js';
import type { ResolveRow } from '../../resolvers/ownership-resolver.js';
import type { ChangelogEntry } from '../../store/changelog/changelog-entry.js';
import type { ChangelogTransaction } from '../../store/changelog/changelog-transaction.js';
import type { RecordIds } from '../../store/changelog/edges.js';
import type { WaitingRow } from '../../store/changelog/waiting-rows.js';
import type { RuleFailure } from '../rules/bucket-rules.js';
import type { Ancestry } from './ancestry.js';
import { BucketTimeline, type Moment, momentsAfter } from '../rules/bucket-timeline.js';
import { bucketsOf, type NewEntry, type RowState } from './edge-diff.js';
import { type Operation } from '../../store/changelog/operation.js';
import type { EdgeWorkspace } from './edge-workspace.js';
import { parentOf, type RecordName } from '../tables/parent-of.js';
import type { ReresolveOptions } from './reresolve-options.js';

/** Records of a table whose buckets changed: those that had none before, and the others. */
export interface ChangedRecords {
  readonly appeared: Set<string>;
  readonly changed: Set<string>;
}

interface PlacedEntry extends ChangelogEntry {
  /** The place in the batch of the event that it is of. */
  readonly order: number;
}

const NO_CHANGES: ChangedRecords = { appeared: new Set(), changed: new Set() };

/** Work that may be left to do. The consumer queries the tables of it only where this says so. */
export interface PendingWork {
  /** Rows wait for a parent. */
  readonly waiting: boolean;
  /** Rules failed, or rows could not be written. */
  readonly failures: boolean;
  /** Rows changed that the WAL doesn't identify: their tables have to be resolved as a whole. */
  readonly unidentifiedChanges: boolean;
}

export async function readPendingWork(
  tx: ChangelogTransaction,
): Promise<Pick<PendingWork, 'waiting' | 'failures'> | undefined> {
  const { rows } = await tx.query<{ waiting: boolean; failures: boolean }>(
    `SELECT EXISTS (SELECT FROM :sync.sync_waiting_rows) AS waiting,
            EXISTS (SELECT FROM :sync.sync_rule_failures WHERE resolved_at IS NULL) AS failures`,
  );
  return rows[0];
}

/** The changes of one piece of work so far. */
export class MembershipWork {
  readonly waiting = new Map<string, WaitingRow>();
  readonly noLongerWaiting = new Map<string, Set<string>>();
  readonly failures: { table: string; failure: RuleFailure; operation: Operation }[] = [];
  readonly resolvedRows = new Map<string, Set<string>>();
  private readonly changes = new Map<string, ChangedRecords>();
  private timelines = new Map<string, BucketTimeline>();
  /** Records that move without an event; null: there are none. */
  ancestry: Ancestry | null = null;
  private readonly entries: PlacedEntry[] = [];
  /** Tables come one after the other, so that entries of several are not in the order of the log. */
  private isSorted = true;

  constructor(
    readonly edges: EdgeWorkspace,
    private readonly pending: PendingWork,
  ) {}

  /** The rest of the same batch, once this has been written. */
  rest(edges: EdgeWorkspace, pending: PendingWork): MembershipWork {
    const rest = new MembershipWork(edges, pending);
    rest.timelines = this.timelines;
    rest.ancestry = this.ancestry;
    return rest;
  }

  add(order: number, table: SyncTable, recordId: string, entries: readonly NewEntry[]): void {
    if (entries.length === 0) return;
    this.isSorted &&= order >= (this.entries.at(-1)?.order ?? order);
    for (const { bucket, operation, servedAt } of entries)
      this.entries.push({ order, table: table.name, recordId, bucket, operation, servedAt });
  }

  timeline(table: string): BucketTimeline {
    return upsert(this.timelines, table, () => new BucketTimeline());
  }

  hasMovedParents({ parent }: SyncTable): boolean {
    return parent !== null && (this.timeline(parent).hasMoves || this.ancestry?.has(parent) === true);
  }

  /**
   * A row's own buckets and those of its parent; without a parent that has edges, the row waits for it.
   * @param place in the batch
   */
  withInherited(
    table: SyncTable,
    row: ResolveRow,
    own: readonly string[] | null,
    place: number,
  ): readonly string[] | null {
    if (own === null) return null;
    this.resolved(table, row.recordId);
    const parent = parentOf(table, row);
    if (parent === null) {
      this.waitsNoMore(table, row.recordId);
      return own;
    }
    const buckets = this.parentBuckets(parent, place);
    if (buckets.size > 0) this.waitsNoMore(table, row.recordId);
    else
      this.waits({
        table: table.name,
        recordId: row.recordId,
        parentTable: parent.table,
        parentId: parent.id,
      });
    return [...new Set([...own, ...buckets])];
  }

  /** The buckets (live or dead) that a loaded parent has at a place in the batch. */
  parentBuckets(parent: RecordName, place: number): ReadonlySet<string> {
    const moments = this.momentsOf(parent) ?? [];
    const at = moments.findLastIndex(({ order }) => order <= place);
    const { buckets } = at === moments.length - 1 ? {} : (moments[at] ?? {});
    return buckets ?? bucketsOf(this.edges.record(parent.table, parent.id).edges);
  }

  /** Where in the batch, after a place, a row's parent has moved: there the row follows it. */
  movesAfter(table: SyncTable, row: ResolveRow, place: number): readonly Moment[] {
    const parent = parentOf(table, row);
    return momentsAfter((parent && this.momentsOf(parent)) ?? [], place);
  }

  private momentsOf(record: RecordName): readonly Moment[] | undefined {
    const own = this.timelines.get(record.table)?.of(record.id);
    return own ?? this.ancestry?.momentsOf(record, (parent) => this.momentsOf(parent));
  }

  /** In the order of the log. */
  sortedEntries(): readonly ChangelogEntry[] {
    return this.isSorted ? this.entries : this.entries.toSorted((a, b) => a.order - b.order);
  }

  waits(row: WaitingRow): void {
    this.waiting.set(JSON.stringify([row.table, row.recordId]), row);
    this.noLongerWaiting.get(row.table)?.delete(row.recordId);
  }

  waitsNoMore(table: SyncTable, recordId: string): void {
    if (this.waiting.size > 0) this.waiting.delete(JSON.stringify([table.name, recordId]));
    if (this.pending.waiting) upsert(this.noLongerWaiting, table.name, () => new Set()).add(recordId);
  }

  /** The row is there no more: neither does it wait, nor is anything to be tried again. */
  gone(table: SyncTable, recordId: string): void {
    this.waitsNoMore(table, recordId);
    this.resolved(table, recordId);
  }

  resolved(table: SyncTable, recordId: string): void {
    if (this.pending.failures) upsert(this.resolvedRows, table.name, () => new Set()).add(recordId);
  }

  fail(table: SyncTable, failures: readonly RuleFailure[], operation: Operation): void {
    for (const failure of failures) this.failures.push({ table: table.name, failure, operation });
  }

  /** The rows with loaded edges that {@link ReresolveOptions.childrenOf} selects. */
  childrenOf(
    parents: ReresolveOptions['childrenOf'],
    table: SyncTable,
    rows: readonly ResolveRow[],
  ): readonly ResolveRow[] {
    if (parents === undefined) return rows;
    return rows.filter((row) => {
      const id = parentOf(table, row)?.id ?? '';
      return parents === 'theirs'
        ? this.edges.record(table.name, row.recordId).parentId === id
        : parents.has(id);
    });
  }

  changesOf({ name }: SyncTable): ChangedRecords {
    return this.changes.get(name) ?? NO_CHANGES;
  }

  /** Notes which of some records changed their buckets, before the workspace is written. */
  recordChanges(table: SyncTable, records: readonly { readonly recordId: string }[]): void {
    const changes = upsert(this.changes, table.name, () => ({ appeared: new Set(), changed: new Set() }));
    for (const { recordId } of records) {
      const before = this.edges.countBeforeChange(table.name, recordId);
      if (before === 0) changes.appeared.add(recordId);
      else if (before !== null) changes.changed.add(recordId);
    }
  }
}

/** The records whose edges are needed: the rows themselves and their parents. */
export function neededEdges(
  events: readonly {
    readonly table: SyncTable;
    readonly recordId: string;
    readonly row: ResolveRow | null;
  }[],
): RecordIds {
  const needed = new Map<string, Set<string>>();
  for (const { table, recordId, row } of events) {
    upsert(needed, table.name, () => new Set()).add(recordId);
    const parent = row === null ? null : parentOf(table, row);
    if (parent) upsert(needed, parent.table, () => new Set()).add(parent.id);
  }
  return needed;
}

/**
 * A row's state after a change: what of the row its edges tell, and the change. One literal: with a spread and a closure
 * for each event a row took the consumer 7 µs instead of 3.
 */
export function rowState(
  table: SyncTable,
  { data }: ResolveRow,
  { buckets, commitTime, writtenAt, cause, known }: Omit<RowState, 'deleted' | 'updatedAt' | 'parentId'>,
): RowState {
  const deletedAt = table.deletedAtColumn === null ? null : data[table.deletedAtColumn];
  const deleted = deletedAt !== null && deletedAt !== undefined;
  const updatedAt = table.updatedAtColumn === null ? null : data[table.updatedAtColumn];
  const parentId = table.parentFkColumn === null ? null : data[table.parentFkColumn];
  return { buckets, deleted, updatedAt, parentId, commitTime, writtenAt, cause, known };
}
