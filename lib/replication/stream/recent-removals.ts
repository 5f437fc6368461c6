import { comparableMicros } from '../../common/timestamp.js';
import { Operation } from '../../store/changelog/operation.js';
import type { ChangelogTransaction } from '../../store/changelog/changelog-transaction.js';

/** Microseconds. */
export const MINUTE = 60_000_000n;
/** About 10 MB. */
const MOST = 50_000;

/** In the place of a record's id, or of a table. */
export const ANY = '';

interface Removal {
  /** The latest update time of the row that the log knew; null: none. */
  readonly known: bigint | null;
  readonly commitTime: bigint;
}

interface PastRemoval extends Pick<Removal, 'known'> {
  /** When the entry that tells of it was there at the latest. */
  readonly toldAt: bigint;
}

/**
 * Rows that have left all buckets within the last minute: one that comes back as it was must not be taken for a new one
 * (W-HOST-64). Pulls read rows as they are, so that devices may have had any version from before the entry that told of
 * the removal. All times are microseconds by the server's clock.
 */
export class RecentRemovals {
  /** In the order in which they were told. */
  private readonly past = new Map<string, PastRemoval>();
  /** Of the log's transaction at hand. */
  private readonly present = new Map<string, Removal>();
  private begunAt = 0n;

  /** Those that another instance has written. */
  async load(tx: ChangelogTransaction): Promise<void> {
    const { rows } = await tx.query<{ table: string; id: string }>(
      `SELECT table_name AS table, record_id AS id
         FROM (SELECT * FROM :sync.sync_changelog ORDER BY seq DESC LIMIT ${MOST}) AS last
        WHERE operation = ${Operation.delete} AND created_at > now() - interval '1 minute'`,
    );
    for (const { table, id } of rows) this.add(table, id, { known: null, commitTime: 0n });
  }

  /** @param time when a transaction of the log has begun: what the one before has written is told by then */
  begin(time: bigint): void {
    if (time === this.begunAt) return;
    this.begunAt = time;
    for (const [row, { known }] of this.present) {
      const before = this.past.get(row)?.known ?? null;
      this.past.delete(row);
      this.past.set(row, { known: latest(known, before), toldAt: time });
    }
    this.present.clear();
    for (const [oldest, { toldAt }] of this.past) {
      const isDue = toldAt < time - MINUTE;
      if (!isDue && this.past.size <= MOST) break;
      this.past.delete(oldest);
      if (!isDue) this.past.set(key(ANY, ANY), { known: null, toldAt: time });
    }
  }

  /** It isn't known which of a table's rows: called before their edges go. */
  async addAny(tx: ChangelogTransaction, table: string, commitTime: bigint): Promise<void> {
    const { rows } = await tx.query<{ time: string | null }>(
      `SELECT max(row_updated_at)::text AS time FROM :sync.sync_bucket_edges
        WHERE table_name = $1 AND isfinite(row_updated_at)`,
      [table],
    );
    this.add(table, ANY, { known: comparableMicros(rows[0]?.time), commitTime });
  }

  /** @param recordId {@link ANY}: any of the table */
  add(table: string, recordId: string, { known, commitTime }: Removal): void {
    const row = this.present.size < MOST ? key(table, recordId) : key(ANY, ANY);
    this.present.set(row, { known: latest(known, this.present.get(row)?.known ?? null), commitTime });
  }

  /** The latest update time that devices may know of a row that has no edges; null: they have not had it lately. */
  knownTime(table: string, recordId: string, commitTime: bigint): bigint | null {
    if (this.past.size === 0 && this.present.size === 0) return null;
    let time: bigint | null = null;
    for (const row of [key(table, recordId), key(table, ANY), key(ANY, ANY)]) {
      const [before, now] = [this.past.get(row), this.present.get(row)];
      if (before) time = latest(latest(time, before.known), before.toldAt);
      if (!now) continue;
      time = latest(time, now.known);
      // Within one transaction of the host nobody has seen that the row was gone (interleaving 12).
      if (now.commitTime !== commitTime) time = latest(time, this.begunAt);
    }
    return time;
  }
}

/** The later one of two times; null: none. */
export function latest(a: bigint | null, b: bigint | null): bigint | null {
  return a === null || (b !== null && b > a) ? b : a;
}

function key(table: string, recordId: string): string {
  return `${table} ${recordId}`;
}
