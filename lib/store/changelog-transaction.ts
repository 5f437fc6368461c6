import type { ClientBase, QueryConfig, QueryResult, QueryResultRow } from 'pg';
import { SynchroError } from '../common/errors.js';
import type { Lsn } from '../common/lsn.js';
import { formatMicros } from '../common/timestamp.js';
import type { EdgeKey, EdgeRow } from './edges.js';
import { inOnePiece } from './one-piece.js';
import { lockPosition, type WalPosition } from './wal-position.js';

/** A changelog entry; its seq is given when it is appended. */
export interface ChangelogEntry {
  readonly table: string;
  readonly recordId: string;
  readonly bucket: string;
  readonly operation: number;
  /** Microseconds; null: the row's own time is served. */
  readonly servedAt: bigint | null;
}

/** A commit that was sent. */
export interface PendingCommit {
  readonly position: WalPosition;
  /** @throws what the first of the transaction's statements that failed ended in: then nothing of it is there */
  readonly durable: Promise<void>;
  /** Of a transaction that looked ahead (see {@link ChangelogTransaction.noteLook}), how far at most; null: it didn't. */
  readonly lookedUntil: Promise<Lsn> | null;
}

/**
 * The one kind of transaction that writes the changelog. Writes are sent and not waited for, so that what comes next
 * is worked out meanwhile; whoever asks a question, or for the commit, is told what became of them. It holds the
 * `sync_wal_position` row from its first statement to its commit, so that seq order is commit order; seqs are counted
 * on that row, never taken from a sequence. Edges, entries and position become visible together.
 */
export class ChangelogTransaction {
  private seq: bigint;
  /** Statements that were sent. One that failed stays: whatever comes after it fails with the same error. */
  private sent: Promise<unknown>[] = [];
  /** Whether it has looked ahead (see {@link noteLook}). */
  hasLooked = false;

  /**
   * @param client a connection of the writer's own with `pipeline`, outside any transaction
   * @param expected compared with the stored position: another instance may have taken over
   * @throws SynchroError `position_conflict`
   */
  static async begin(client: ClientBase, expected: WalPosition): Promise<ChangelogTransaction> {
    inOnePiece(client);
    const begun = client.query('BEGIN ISOLATION LEVEL READ COMMITTED');
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
    private readonly client: ClientBase,
    private readonly position: WalPosition,
    /** What this transaction's first statement could see (`pg_snapshot` text). */
    readonly snapshot: string,
    /** When it began by the server's clock, microseconds. */
    readonly begunAt: bigint,
  ) {
    this.seq = position.lastSeq;
  }

  /** Runs any other statement in this transaction, behind what was sent. */
  async query<Row extends QueryResultRow>(
    statement: string | QueryConfig,
    values: unknown[] = [],
  ): Promise<QueryResult<Row>> {
    inOnePiece(this.client);
    const answer = this.client.query<Row>(
      typeof statement === 'string' ? { text: statement, values } : statement,
    );
    answer.catch(() => undefined); // what failed before it is told first
    await this.written();
    return answer;
  }

  /** Rows with every value as the text that the server sent. */
  async textRows(text: string): Promise<readonly Record<string, string | null>[]> {
    const types = { getTypeParser: () => (value: string) => value };
    const { rows } = await this.query<Record<string, string | null>>({ text, types });
    return rows;
  }

  /** Appends entries in the order given. */
  append(entries: readonly ChangelogEntry[]): void {
    if (entries.length === 0) return;
    this.write(
      'append',
      `INSERT INTO sync_changelog (seq, bucket_id, table_name, record_id, operation, served_at)
       SELECT $1::bigint + n, b, coalesce(t, ($3::text[])[1]), r, coalesce(o, ($5::smallint[])[1]),
              CASE WHEN cardinality($6::timestamptz[]) = 1 THEN ($6::timestamptz[])[1] ELSE s END
         FROM unnest($2::text[], $3::text[], $4::text[], $5::smallint[], $6::timestamptz[])
              WITH ORDINALITY AS e (b, t, r, o, s, n)`,
      [
        this.seq.toString(),
        entries.map((entry) => entry.bucket),
        once(entries.map((entry) => entry.table)),
        entries.map((entry) => entry.recordId),
        once(entries.map((entry) => entry.operation)),
        once(entries.map((entry) => (entry.servedAt === null ? null : formatMicros(entry.servedAt)))),
      ],
    );
    this.seq += BigInt(entries.length);
  }

  /**
   * Appends what a query returns, for sets too large to bring here.
   * @param select SQL that yields (bucket_id, table_name, record_id, operation, served_at)
   * @returns the number of entries
   */
  async appendSelect(select: string, values: unknown[]): Promise<number> {
    const { rowCount } = await this.query(
      `INSERT INTO sync_changelog (seq, bucket_id, table_name, record_id, operation, served_at)
       SELECT $${values.length + 1}::bigint + row_number() OVER (), e.*
         FROM (${select}) AS e (bucket_id, table_name, record_id, operation, served_at)`,
      [...values, this.seq.toString()],
    );
    this.seq += BigInt(rowCount ?? 0);
    return rowCount ?? 0;
  }

  /**
   * To be called by who lets the host's tables decide about edges: they are ahead of the stream, which may tell of a row
   * later that has edges by then.
   */
  noteLook(): void {
    this.hasLooked = true;
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
   * Writes edges that are known not to be there, in the order of their key: neighbours share their index pages.
   * @throws later, 23505 when one is there
   */
  insertEdges(edges: readonly EdgeRow[]): void {
    if (edges.length === 0) return;
    this.write(
      'insert_edges',
      `INSERT INTO sync_bucket_edges (table_name, record_id, bucket_id, live, row_updated_at)
       SELECT ${EDGE} ORDER BY r COLLATE "C"`,
      edgeValues(edges),
    );
  }

  /** Writes edges that are there again. (By a join, a plan made while the statistics are young would read them all.) */
  updateEdges(edges: readonly EdgeRow[]): void {
    if (edges.length === 0) return;
    this.write(
      'update_edges',
      `INSERT INTO sync_bucket_edges AS e (table_name, record_id, bucket_id, live, row_updated_at)
       SELECT ${EDGE}
       ON CONFLICT (table_name, record_id, bucket_id) DO UPDATE
         SET live = excluded.live, row_updated_at = excluded.row_updated_at, updated_at = now()`,
      edgeValues(edges),
    );
  }

  deleteEdges(edges: readonly EdgeKey[]): void {
    if (edges.length === 0) return;
    this.write(
      'delete_edges',
      `DELETE FROM sync_bucket_edges e
        USING unnest($1::text[], $2::text[], $3::text[]) AS gone (t, r, b)
        WHERE e.table_name = coalesce(gone.t, ($1::text[])[1]) AND e.record_id = gone.r AND e.bucket_id = gone.b`,
      edgeKeys(edges),
    );
  }

  /**
   * Removes edges of a table, and appends an entry for each that was live: in one statement, so that both are about the
   * same edges, whatever is committed meanwhile.
   * @param condition SQL over `e`, an edge
   * @param operation of the entries; null: none are appended
   * @returns how many edges there were
   */
  async removeEdges(table: string, condition: string, operation: number | null): Promise<number> {
    const { rows } = await this.query<{ edges: number; entries: number }>(
      `WITH removed AS (
         DELETE FROM sync_bucket_edges e WHERE e.table_name = $1 AND ${condition}
         RETURNING e.bucket_id, e.table_name, e.record_id, e.live
       ), entry AS (
         INSERT INTO sync_changelog (seq, bucket_id, table_name, record_id, operation)
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
      `UPDATE sync_wal_position SET confirmed_lsn = $2, last_seq = $3, updated_at = now(),
              applied_until = coalesce($4, applied_until) WHERE slot_name = $1`,
      [
        position.slotName,
        confirmedLsn.toString(),
        this.seq.toString(),
        appliedUntil === null ? null : formatMicros(appliedUntil),
      ],
    );
    const lookedUntil = this.hasLooked ? this.insertLsn() : null;
    lookedUntil?.catch(() => undefined); // what failed before it is told
    this.write(undefined, 'COMMIT'); // behind a statement that failed it rolls back
    return { position, durable: this.written(), lookedUntil };
  }

  /** What is committed by now ends before it. */
  private async insertLsn(): Promise<Lsn> {
    const { rows } = await this.client.query<{ lsn: string }>(
      `SELECT (pg_current_wal_insert_lsn() - '0/0')::text AS lsn`,
    );
    return BigInt(rows[0]?.lsn ?? 0);
  }

  async rollback(): Promise<void> {
    await this.client.query('ROLLBACK');
  }

  private write(name: string | undefined, text: string, values: unknown[] = []): void {
    inOnePiece(this.client);
    const written = this.client.query(name === undefined ? { text, values } : { name, text, values });
    written.catch(() => undefined); // whoever waits for it is told
    this.sent.push(written);
  }

  /**
   * Waits for what was sent.
   * @throws what the first of the statements that were sent and failed ended in
   */
  async written(): Promise<void> {
    if (this.sent.length === 0) return;
    await Promise.all(this.sent);
    this.sent = [];
  }
}

/** The edges of {@link edgeValues}; what is the same for all comes with the first one. */
const EDGE = `coalesce(t, ($1::text[])[1]), r, b, coalesce(live, ($4::boolean[])[1]), updated_at
    FROM unnest($1::text[], $2::text[], $3::text[], $4::boolean[], $5::timestamptz[]) AS e (t, r, b, live, updated_at)`;

function edgeValues(edges: readonly EdgeRow[]): unknown[] {
  return [...edgeKeys(edges), once(edges.map((edge) => edge.live)), edges.map((edge) => edge.rowUpdatedAt)];
}

/** A column of a statement's rows: a value that is the same in all of them is sent, and read, once. */
function once<Value>(values: Value[]): Value[] {
  const [first] = values;
  return values.every((value) => value === first) ? values.slice(0, 1) : values;
}

function edgeKeys(edges: readonly EdgeKey[]): [string[], string[], string[]] {
  return [
    once(edges.map((edge) => edge.table)),
    edges.map((edge) => edge.recordId),
    edges.map((edge) => edge.bucket),
  ];
}
