import type { ClientBase } from 'pg';
import { setTimeout as sleep } from 'node:timers/promises';
import { SynchroError } from '../common/errors.js';
import type { Lsn } from '../common/lsn.js';
import { ChangelogTransaction, type PendingCommit } from '../store/changelog/changelog-transaction.js';
import { readEdges, type EdgeRow, type RecordIds } from '../store/changelog/edges.js';
import { readPosition, type WalPosition } from '../store/changelog/wal-position.js';
import type { PreparedBatch } from './stream/batch-runs.js';
import type { Caution } from './caution.js';
import { publishPhase } from './consumer-phase.js';
import type { MembershipApplier } from './membership/membership-applier.js';
import { invisibleTransactions } from './stream/snapshot-visibility.js';
import type { Batch } from './stream/transaction-batcher.js';

const VISIBILITY_POLL_MS = 1;
/**
 * So many batches at most go into one transaction, where they bring nothing but new records, and none any more
 * after so many milliseconds: each commit waits for the disk, but who reads waits for the commit.
 */
const MOST_JOINED = 10;
const LONGEST_HELD_MS = 100;

export interface BatchWriterOptions {
  /** A connection of the writer's own. */
  readonly client: ClientBase;
  readonly position: WalPosition;
  readonly applier: MembershipApplier;
  readonly caution: Caution;
  /** Told up to where all is durable. */
  readonly acknowledge: (lsn: Lsn) => void;
  /** Ends waiting when the app stops. */
  readonly signal: AbortSignal;
}

/** A transaction that a batch goes into. */
interface Begun {
  readonly tx: ChangelogTransaction;
  /** Of the records that the batch asks for. */
  readonly edges: readonly EdgeRow[];
}

/** A transaction to which all of some source transactions was sent, and that others may join. */
interface HeldTransaction {
  readonly tx: ChangelogTransaction;
  readonly endLsn: Lsn;
  readonly batches: number;
  /** By a clock that never jumps, milliseconds. */
  readonly since: number;
  /** When its last batch is written, and when the one before it is. */
  readonly last: Promise<unknown>;
  readonly beforeLast: Promise<unknown>;
}

/** Writes batches with the position behind them, in transactions that it acknowledges once they are durable. */
export class BatchWriter {
  /** What is durable. */
  position: WalPosition;
  /** What will be, once {@link committing} is done. */
  private ahead: WalPosition;
  /** The last commit. It rejects with what became of its transaction. */
  private committing: Promise<void> = Promise.resolve();
  /** The transaction of a source transaction that is larger than a batch. */
  private open: ChangelogTransaction | null = null;
  private held: HeldTransaction | null = null;
  /** Edges may come from rows that were committed up to here, though the stream is not as far; null: not known. */
  private lookedUntil: Lsn | null = null;
  private looks = 0;
  /** When the last transaction that was written was committed, microseconds. */
  private commitTime: bigint | null = null;

  constructor(private readonly options: BatchWriterOptions) {
    this.position = options.position;
    this.ahead = options.position;
  }

  /** Whether a source transaction is half written. */
  get isWriting(): boolean {
    return this.open !== null;
  }

  /** Until then another batch costs nobody time; null when nothing is held open for one. */
  get busy(): Promise<unknown> | null {
    return this.held?.last ?? null;
  }

  /**
   * Sends a batch, which is committed by {@link release} at the latest. What it asks for goes out while the one before
   * is still being committed.
   */
  async write(batch: Batch): Promise<void> {
    // PostgreSQL 14 sends empty transactions; the end of one that was cut may be empty, too, and has to be written.
    if (batch.changes.length === 0 && !this.open) return;
    const lookedUntil = this.open?.hasLooked === true ? null : this.lookedUntil;
    const prepared = this.options.applier.prepare(batch.changes, lookedUntil);
    const held = this.heldFor(batch, prepared);
    const { tx, edges } = held
      ? await this.join(held, prepared.records)
      : await this.begin(prepared.records, batch.xids);
    this.open = tx;
    publishPhase('writing');
    this.commitTime = batch.changes.at(-1)?.commitTime ?? this.commitTime;
    try {
      await this.options.applier.apply(tx, prepared, edges);
    } catch (error) {
      // A lost connection has rolled back by itself; the error to tell is the first one.
      await tx.rollback().catch(() => undefined);
      throw error;
    }
    if (batch.endLsn === null) return;
    this.open = null;
    this.hold(tx, batch.endLsn, held);
    if (!prepared.isNew || tx.hasLooked || tx.careful) this.release();
  }

  /** Commits what is held open. It is sent, and not waited for. */
  release(): void {
    const { held } = this;
    if (!held) return;
    this.held = null;
    this.committing = this.commit(held);
    this.committing.catch(() => undefined); // whoever waits for it is told
  }

  /** Commits what is held open, and waits until all is durable. */
  async settle(): Promise<void> {
    this.release();
    await this.committing;
  }

  /**
   * Looks whether the stored position is still where this writer left it: where nothing is written, nothing else would
   * tell that the tables were restored from an older copy.
   * @throws SynchroError `position_conflict`
   */
  async verify(): Promise<void> {
    await this.settle();
    const stored = await readPosition(this.options.client);
    const { confirmedLsn, epochSeq } = this.position;
    if (stored?.confirmedLsn === confirmedLsn && stored.epochSeq === epochSeq) return;
    throw new SynchroError('position_conflict', 'the stored position is not where this instance left it');
  }

  /**
   * Runs other work on the changelog between two source transactions.
   * @returns false when a source transaction is only half written, so that the work has to wait
   */
  async between(work: (tx: ChangelogTransaction) => Promise<void>): Promise<boolean> {
    if (this.open) return false;
    await this.settle();
    const tx = await ChangelogTransaction.begin(this.options.client, this.position);
    try {
      await this.takeCare(tx);
      await work(tx);
      await this.advance(tx.commit());
      return true;
    } catch (error) {
      await tx.rollback();
      throw error;
    }
  }

  /**
   * Stores a position up to which there is nothing to write, before it is acknowledged, so that a slot found ahead of
   * the stored position is known to be another one.
   */
  async confirm(lsn: Lsn): Promise<void> {
    const tx = await ChangelogTransaction.begin(this.options.client, this.position);
    await this.advance(tx.commit(lsn, tx.begunAt));
    this.options.acknowledge(lsn);
  }

  /** @param before the same, without the last batch */
  private hold(tx: ChangelogTransaction, endLsn: Lsn, before: HeldTransaction | null): void {
    const now = performance.now();
    const { batches, since, last } = before ?? { batches: 0, since: now, last: Promise.resolve() };
    this.held = { tx, endLsn, batches: batches + 1, since, last: tx.answered(), beforeLast: last };
    if (batches + 1 === MOST_JOINED || now - since >= LONGEST_HELD_MS) this.release();
  }

  private async commit({ tx, endLsn }: HeldTransaction): Promise<void> {
    await this.advance(tx.commit(endLsn, this.commitTime));
    publishPhase('committed');
    this.options.acknowledge(endLsn);
  }

  /** Takes a position over as the next one at once, and as durable once it is. */
  private async advance({ position, durable, lookedUntil }: PendingCommit): Promise<void> {
    this.ahead = position;
    const look = lookedUntil ? ++this.looks : this.looks;
    if (lookedUntil) this.lookedUntil = null;
    await durable;
    if (lookedUntil && look === this.looks) this.lookedUntil = await lookedUntil;
    this.position = position;
  }

  /**
   * The transaction that a batch may join: neither has more than new records, which nobody can read before. Otherwise
   * what is held is committed: entries of records that come from elsewhere carry the time at which they are written, and
   * devices may read the rows until that is committed.
   */
  private heldFor({ endLsn, xids }: Batch, { isNew }: PreparedBatch): HeldTransaction | null {
    const { held } = this;
    const isVisible = held && invisibleTransactions(held.tx.snapshot, xids).length === 0;
    if (!isVisible || !isNew || endLsn === null) this.release();
    return this.held;
  }

  private async takeCare(tx: ChangelogTransaction): Promise<void> {
    if (this.options.caution.isDue(this.ahead.confirmedLsn)) await tx.beCareful();
  }

  /** Two batches are on their way at most, while a third one is worked out. */
  private async join({ tx, beforeLast }: HeldTransaction, records: RecordIds): Promise<Begun> {
    this.held = null;
    tx.look();
    await beforeLast;
    return { tx, edges: await readEdges(tx, records) };
  }

  /**
   * A commit is decoded before it is visible (interleavings 1): waits until every source transaction of the batch
   * can be seen, without holding the position while waiting. The edges are asked for behind the lock, without waiting
   * for it: whoever has it is the only one who writes them.
   */
  private async begin(records: RecordIds, xids: readonly number[]): Promise<Begun> {
    const { client, signal } = this.options;
    if (this.open) {
      const tx = this.open;
      // Of a large transaction one piece is on its way at most, also where nothing has to be asked for.
      await tx.written();
      return { tx, edges: await readEdges(tx, records) };
    }
    for (;;) {
      const begun = ChangelogTransaction.begin(client, this.ahead);
      const read = readEdges(client, records);
      read.catch(() => undefined);
      const tx = await begun.catch(async (error: unknown) => {
        // What became of the batch before is the first error.
        await this.committing;
        throw error;
      });
      if (invisibleTransactions(tx.snapshot, xids).length === 0) {
        await this.takeCare(tx);
        return { tx, edges: await read };
      }
      await tx.rollback();
      signal.throwIfAborted();
      await sleep(VISIBILITY_POLL_MS);
    }
  }
}
