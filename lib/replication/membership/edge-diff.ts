import { comparableMicros, formatMicros } from '../../common/timestamp.js';
import { Operation } from '../../store/changelog/operation.js';
import { latest, MINUTE } from '../stream/recent-removals.js';

/** An entry before it has its seq. */
export interface NewEntry {
  readonly bucket: string;
  readonly operation: Operation;
  /** Microseconds; null: the row's own time is served. */
  readonly servedAt: bigint | null;
}

/** The edges of one record as they become while its changes are walked. */
export interface RecordEdges {
  /** Bucket → live. */
  readonly edges: Map<string, boolean>;
  /** The latest `updated_at` that devices may hold: PostgreSQL's text, and microseconds. */
  rowUpdatedAt: string | null;
  rowMicros: bigint | null;
  /** The parent that the row has as far as the log has come; null: none. */
  parentId: string | null;
}

const NO_BUCKETS: ReadonlySet<string> = new Set();

/** The buckets of a record's edges, live or dead, as they are now. */
export function bucketsOf(edges: ReadonlyMap<string, boolean>): ReadonlySet<string> {
  return edges.size === 0 ? NO_BUCKETS : new Set(edges.keys());
}

/** A row's state after one change. */
export interface RowState {
  /** null: the rule failed, so the row keeps the buckets that it has. */
  readonly buckets: readonly string[] | null;
  readonly deleted: boolean;
  /**
   * PostgreSQL's text of `updated_at`. null: the row has none, so that its time is that of the commit which changed it.
   * undefined: it isn't known.
   */
  readonly updatedAt: string | null | undefined;
  /** undefined: it isn't known. */
  readonly parentId: string | null | undefined;
  /** Commit time of the change, microseconds. */
  readonly commitTime: bigint;
  /** When the entries are written, microseconds by the server's clock. */
  readonly writtenAt: bigint;
  /**
   * `insert`, `update`: a change of the row itself. `reresolved`: only its buckets were resolved again, so buckets
   * that it keeps get no entry. `compared`: kept buckets get one where `updated_at` grew, or the table has none, as the
   * row may have changed without an event.
   */
  readonly cause: 'insert' | 'update' | 'reresolved' | 'compared';
  /** The latest `updated_at` that devices may have had of a row without edges, microseconds; null: it isn't known. */
  readonly known?: bigint | null;
}

const MILLISECOND = 1_000n;

/**
 * Moves a record's edges to the buckets of its changed row.
 *
 * Entries that take the row away come first (hazard W-PULL-1). A soft-deleted row keeps its edges, dead, so that
 * children go on inheriting through them (interleavings 8). Devices skip a row whose `updated_at` did not grow. An
 * entry carries a later time of its own where `updated_at` did not grow, or where an existing row is new to a bucket
 * (interleavings 12). In the second case it is the time of writing: pulls read rows as they are, so a device may hold
 * a version later than the change, and a later one still where the host's clock is ahead.
 *
 * The removal of a dead edge gets an entry, as a pull may have left out the delete before it.
 */
export function applyRow(record: RecordEdges, row: RowState): readonly NewEntry[] {
  const wanted = row.buckets?.length === 1 ? row.buckets : new Set(row.buckets ?? record.edges.keys());
  const entries = record.edges.size === 0 ? [] : takeAway(record, new Set(wanted), row.deleted);
  const updatedAt = timeOf(record, row);
  const micros = comparableMicros(updatedAt);
  const grew = record.rowMicros === null || (micros !== null && micros > record.rowMicros);
  const known = latest(record.rowMicros, row.known ?? null);
  for (const bucket of wanted) {
    const live = record.edges.get(bucket);
    record.edges.set(bucket, !row.deleted);
    if (row.deleted) continue;
    if (live === true) {
      const changed =
        row.cause === 'compared' ? grew && record.rowMicros !== null : row.cause !== 'reresolved';
      if (changed) {
        entries.push({
          bucket,
          operation: Operation.update,
          servedAt: grew ? null : after(known, row.commitTime),
        });
      }
    } else {
      // It did not grow if the row was deleted just before, in the same batch.
      const plain = grew && (live === false ? isChange(row) : isFreshInsert(row, micros));
      entries.push({
        bucket,
        operation: Operation.create,
        servedAt: plain ? null : after(latest(known, micros), row.writtenAt),
      });
    }
  }
  if (micros !== null && (record.rowMicros === null || micros > record.rowMicros)) {
    record.rowMicros = micros;
    record.rowUpdatedAt = updatedAt ?? null;
  }
  if (row.parentId !== undefined) record.parentId = row.parentId;
  return entries;
}

/** Entries for the buckets that a row leaves, and for those in which it is soft-deleted. */
function takeAway(record: RecordEdges, wanted: ReadonlySet<string>, deleted: boolean): NewEntry[] {
  const entries: NewEntry[] = [];
  for (const [bucket, live] of record.edges) {
    if (wanted.has(bucket) && !(deleted && live)) continue;
    entries.push({ bucket, operation: Operation.delete, servedAt: null });
    if (wanted.has(bucket)) record.edges.set(bucket, false);
    else record.edges.delete(bucket);
  }
  return entries;
}

/** Removes every edge of a deleted row, with entries for the buckets in which it was live. */
export function removeRow(record: RecordEdges): readonly NewEntry[] {
  const entries = [...record.edges]
    .filter(([, live]) => live)
    .map(([bucket]) => ({ bucket, operation: Operation.delete, servedAt: null }));
  record.edges.clear();
  return entries;
}

/** The row's own time. Where it has none: when it became what it is, as far as the log knows. */
function timeOf(record: RecordEdges, row: RowState): string | null | undefined {
  if (row.updatedAt !== null) return row.updatedAt;
  if (row.cause === 'reresolved' && record.rowMicros !== null) return undefined;
  return formatMicros(isChange(row) ? row.commitTime : row.writtenAt);
}

function isChange({ cause }: RowState): boolean {
  return cause === 'insert' || cause === 'update';
}

/** Whether no device has had the row. Devices that have deleted it skip a version as old as theirs (W-HOST-64). */
function isFreshInsert({ cause, commitTime, known }: RowState, micros: bigint | null): boolean {
  return cause === 'insert' && micros !== null && micros >= commitTime - MINUTE && micros > (known ?? 0n);
}

/** The earliest time to serve from `time` on that devices take for a later one than a version they know. */
function after(known: bigint | null, time: bigint): bigint {
  return known !== null && known + MILLISECOND > time ? known + MILLISECOND : time;
}
