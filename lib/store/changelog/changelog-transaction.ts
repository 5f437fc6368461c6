import type { ClientBase } from 'pg';
import { SynchroError } from '../../common/errors.js';
import type { Lsn } from '../../common/lsn.js';
import { formatMicros } from '../../common/timestamp.js';
import {
  APPEND,
  DELETE_EDGES,
  edgeColumns,
  entryColumns,
  recordColumns,
  WRITE_EDGES,
  WRITE_EDGES_AND_APPEND,
} from './changelog-sql.js';
import type { ChangelogEntry } from './changelog-entry.js';
import type { EdgeKey, EdgeRow } from './edges.js';
import { corkUntilNextTick } from '../../database/pg-internals.js';
import { SentTransaction } from '../../database/sent-transaction.js';
import { lockPosition, type WalPosition } from './wal-position.js';

/** A commit that was sent. */
export interface PendingCommit {
  readonly position: WalPosition;
  /** @throws what the first of the transaction's statements that failed ended in: then nothing of it is there */
  readonly durable: Promise<void>;
  /** Of a transaction that read ahead (see {@link ChangelogTransaction.markReadAhead}), how far at most; null: it didn't. */
  readonly readAheadLsn: Promise<Lsn> | null;
}

/**
 * The one kind of transaction that writes the changelog. Writes are sent without waiting, so that the next ones are
 * prepared meanwhile; the next read or the commit throws their error. It holds the `sync_wal_position` row from its
 * first statement to its commit, so that seq order is commit order; seqs are counted on that row, never taken from a
 * sequence. Edges, entries and position become visible together.
 */
export class ChangelogTransaction extends SentTransaction {
  private seq: bigint;
  /** Whether it has read ahead of the stream (see {@link markReadAhead}). */
  readAhead = false;

  /**
   * @param client a connection of the writer's own with `pipeline`, outside any transaction
   * @param expected compared with the stored position: another instance may have taken over
   * @throws SynchroError `position_conflict`
   */
  static async begin(client: ClientBase, expected: WalPosition): Promise<ChangelogTransaction> {
    corkUntilNextTick(client);
    const begun = client.query('BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE');
    try {
      const [tx] = await Promise.all([ChangelogTransaction.join(client, expected), begun]);
      return tx;
    } catch (error) {
      await client.query('ROLLBACK');
      throw error;
    }
  }

  /** The same within a transaction that the caller has begun, and ends. */
  static async join(client: ClientBase, expected: WalPosition): Promise<ChangelogTransaction> {
    const locked = await lockPosition(client);
    if (
      locked?.position.slotName !== expected.slotName ||
      locked.position.confirmedLsn !== expected.confirmedLsn ||
      locked.position.epochSeq !== expected.epochSeq
    ) {
      throw new SynchroError(
        'position_conflict',
        `the position of slot ${expected.slotName} was moved by another instance, which has taken over`,
      );
    }
    return new ChangelogTransaction(client, locked.position, locked.snapshot, locked.begunAt);
  }

  private constructor(
    client: ClientBase,
    private readonly position: WalPosition,
    private seen: string,
    /** When it began by the server's clock, microseconds. */
    readonly begunAt: bigint,
  ) {
    super(client);
    this.seq = position.lastSeq;
  }

  override async attempt(work: () => Promise<void>): Promise<unknown> {
    const { seq } = this;
    const failure = await super.attempt(work);
    if (failure !== null) this.seq = seq;
    return failure;
  }

  /** Appends entries in the order given. */
  append(entries: readonly ChangelogEntry[]): void {
    if (entries.length === 0) return;
    const values = [...recordColumns(entries), ...entryColumns(entries), this.seq.toString()];
    this.write('append', APPEND, values);
    this.seq += BigInt(entries.length);
  }

  /**
   * Appends what a query returns, for sets too large to bring here.
   * @param select SQL that yields (bucket_id, table_name, record_id, operation, served_at)
   * @returns the number of entries
   */
  async appendSelect(select: string, values: unknown[]): Promise<number> {
    const { rowCount } = await this.query(
      `INSERT INTO :sync.sync_changelog (seq, bucket_id, table_name, record_id, operation, served_at)
       SELECT $${values.length + 1}::bigint + row_number() OVER (), e.*
         FROM (${select}) AS e (bucket_id, table_name, record_id, operation, served_at)`,
      [...values, this.seq.toString()],
    );
    this.seq += BigInt(rowCount ?? 0);
    return rowCount ?? 0;
  }

  /**
   * Marks that edges come from the host's tables, which are ahead of the stream: a later event of the stream may be
   * of a row that has edges by then.
   */
  markReadAhead(): void {
    this.readAhead = true;
  }

  /**
   * The snapshot (`pg_snapshot` text) of this transaction's first statement, or of the last {@link refreshSnapshot}.
   */
  get snapshot(): string {
    return this.seen;
  }

  /** Takes the {@link snapshot} again, behind what was sent, and without waiting for it. */
  refreshSnapshot(): void {
    const read = this.send<{ snapshot: string }>(
      'refresh_snapshot',
      'SELECT pg_current_snapshot()::text AS snapshot',
    );
    read.then(
      ({ rows }) => (this.seen = rows[0]?.snapshot ?? this.seen),
      () => undefined, // the next read or the commit throws it
    );
  }

  /** The last seq that was taken, by this transaction or before. */
  get lastSeq(): bigint {
    return this.seq;
  }

  /** Takes a seq without an entry, so that checkpoints from before and from after this moment differ. */
  mark(): bigint {
    return (this.seq += 1n);
  }

  /**
   * Writes edges, and appends an entry for each if there are any: what both share is sent, and read, once.
   * @param kind `insert`: they are known not to be there; `update`: they are
   * @param entries in the order of the edges
   * @throws later, 23505 when one to insert is there
   */
  writeEdges(
    kind: keyof typeof WRITE_EDGES,
    edges: readonly EdgeRow[],
    entries: readonly ChangelogEntry[] = [],
  ): void {
    if (edges.length === 0) return;
    const values = [...recordColumns(edges), ...edgeColumns(edges)];
    if (entries.length === 0) {
      this.write(`${kind}_edges`, WRITE_EDGES[kind], values);
      return;
    }
    const all = [...values, ...entryColumns(entries), this.seq.toString()];
    this.write(`${kind}_edges_and_append`, WRITE_EDGES_AND_APPEND[kind], all);
    this.seq += BigInt(entries.length);
  }

  deleteEdges(edges: readonly EdgeKey[]): void {
    if (edges.length === 0) return;
    this.write('delete_edges', DELETE_EDGES, recordColumns(edges));
  }

  /**
   * Removes edges of a table, and appends an entry for each live one: in one statement, so that both are about the
   * same edges, whatever else is committed meanwhile.
   * @param condition SQL over `e`, an edge
   * @param operation of the entries; null: none are appended
   * @returns the number of edges
   */
  async removeEdges(table: string, condition: string, operation: number | null): Promise<number> {
    const { rows } = await this.query<{ edges: number; entries: number }>(
      `WITH removed AS (
         DELETE FROM :sync.sync_bucket_edges e WHERE e.table_name = $1 AND ${condition}
         RETURNING e.bucket_id, e.table_name, e.record_id, e.live
       ), entry AS (
         INSERT INTO :sync.sync_changelog (seq, bucket_id, table_name, record_id, operation)
         SELECT $2::bigint + row_number() OVER (), bucket_id, table_name, record_id, $3::smallint
           FROM removed WHERE live AND $3::smallint IS NOT NULL
         RETURNING seq
       )
       SELECT (SELECT count(*) FROM removed)::int AS edges, (SELECT count(*) FROM entry)::int AS entries`,
      [table, this.seq.toString(), operation],
    );
    const { edges = 0, entries = 0 } = rows[0] ?? {};
    this.seq += BigInt(entries);
    return edges;
  }

  /**
   * Commits everything, with the position. It is sent, and not waited for.
   * @param confirmedLsn what is now durable; the position stays where it was when nothing from the WAL is meant
   * @param appliedUntil when the last of it was committed, microseconds; null: the time that is stored stays
   */
  commit(confirmedLsn: Lsn = this.position.confirmedLsn, appliedUntil: bigint | null = null): PendingCommit {
    const position = { ...this.position, confirmedLsn, lastSeq: this.seq };
    this.write(
      'store_position',
      `UPDATE :sync.sync_wal_position SET confirmed_lsn = $2, last_seq = $3, updated_at = now(),
              applied_until = coalesce($4, applied_until) WHERE slot_name = $1`,
      [
        position.slotName,
        confirmedLsn.toString(),
        this.seq.toString(),
        appliedUntil === null ? null : formatMicros(appliedUntil),
      ],
    );
    const readAheadLsn = this.readAhead ? this.insertLsn() : null;
    readAheadLsn?.catch(() => undefined); // an earlier failure is thrown first
    this.write(undefined, 'COMMIT'); // behind a statement that failed it rolls back
    return { position, durable: this.written(), readAheadLsn };
  }

  /** Everything that is committed by now ends before it. */
  private async insertLsn(): Promise<Lsn> {
    const { rows } = await this.client.query<{ lsn: string }>(
      `SELECT (pg_current_wal_insert_lsn() - '0/0')::text AS lsn`,
    );
    return BigInt(rows[0]?.lsn ?? 0);
  }
}
