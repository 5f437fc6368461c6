import type { ClientBase } from 'pg';
import { setTimeout as sleep } from 'node:timers/promises';
import { SynchroError } from '../common/errors.js';
import type { Lsn } from '../common/lsn.js';
import { ChangelogTransaction } from '../store/changelog/changelog-transaction.js';
import { readEdges, type EdgeRow, type RecordIds } from '../store/changelog/edges.js';
import { readPosition, type WalPosition } from '../store/changelog/wal-position.js';
import type { PreparedBatch } from './stream/batch-segments.js';
import type { Caution } from './caution.js';
import type { WalConsumerOptions } from './consumer-options.js';
import { publishPhase } from './consumer-phase.js';
import { DurablePosition } from './durable-position.js';
import type { MembershipApplier } from './membership/membership-applier.js';
import { invisibleTransactions } from './stream/snapshot-visibility.js';
import type { Batch } from './stream/transaction-batcher.js';

const VISIBILITY_POLL_MS = 1;
/**
 * Bounds on the batches of one transaction, where batches bring nothing but new records: their number, and
 * milliseconds from the first. Each commit waits for the disk, and readers wait for the commit.
 */
const MOST_JOINED = 10;
const LONGEST_HELD_MS = 100;

export interface BatchWriterOptions extends Pick<WalConsumerOptions, 'onAppended'> {
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
  /** Edges of the batch's records. */
  readonly edges: readonly EdgeRow[];
}

/** A transaction that the writer has begun, and what it has put in last. */
interface OpenTransaction {
  readonly tx: ChangelogTransaction;
  /** When the last source transaction in it was committed, microseconds. */
  readonly commitTime: bigint;
}

/** All of some source transactions was sent to it, and others may join. */
interface HeldTransaction extends OpenTransaction {
  readonly kind: 'held';
  readonly endLsn: Lsn;
  readonly batches: number;
  /** By a clock that never jumps, milliseconds. */
  readonly since: number;
  /** When its last batch is written, and when the one before it is. */
  readonly last: Promise<unknown>;
  readonly beforeLast: Promise<unknown>;
}

/** A source transaction is half written: it is larger than a batch, or its batch is at work. */
interface InsideTransaction extends OpenTransaction {
  readonly kind: 'inside';
}

type WriterState = { readonly kind: 'idle' } | InsideTransaction | HeldTransaction;

const IDLE: WriterState = { kind: 'idle' };

/** Writes batches with the position behind them, in transactions that it acknowledges once they are durable. */
export class BatchWriter {
  readonly position: DurablePosition;
  private state: WriterState = IDLE;
  /** The last commit. It rejects with what became of its transaction. */
  private committing: Promise<void> = Promise.resolve();

  constructor(private readonly options: BatchWriterOptions) {
    this.position = new DurablePosition(options.position, options.onAppended);
  }

  /** Whether a source transaction is half written. */
  get isWriting(): boolean {
    return this.state.kind === 'inside';
  }

  /** Until this time another batch may join without delaying readers; null when no transaction is held open. */
  get busy(): Promise<unknown> | null {
    return this.state.kind === 'held' ? this.state.last : null;
  }

  /**
   * Sends a batch. {@link release} commits it at the latest. Its reads go out while the batch before is being
   * committed.
   */
  async write(batch: Batch): Promise<void> {
    const inside = this.state.kind === 'inside' ? this.state : null;
    const commitTime = batch.changes.at(-1)?.commitTime ?? inside?.commitTime;
    // PostgreSQL 14 sends empty transactions; the end of one that was cut may be empty, too, and has to be written.
    if (commitTime === undefined) return;
    const readAheadLsn = inside?.tx.readAhead === true ? null : this.position.readAheadLsn;
    const prepared = this.options.applier.prepare(batch.changes, readAheadLsn);
    const held = this.heldFor(batch, prepared);
    const { records } = prepared;
    const { tx, edges } = inside
      ? await this.goOn(inside.tx, records)
      : await (held ? this.join(held, records) : this.begin(records, batch.xids));
    this.state = { kind: 'inside', tx, commitTime };
    publishPhase('writing');
    try {
      await this.options.applier.apply(tx, prepared, edges);
    } catch (error) {
      // A lost connection has rolled back by itself; the first error says why.
      await tx.rollback().catch(() => undefined);
      throw error;
    }
    if (batch.endLsn === null) return;
    this.hold({ tx, commitTime }, batch.endLsn, held);
    if (!prepared.isNew || tx.readAhead || tx.careful) this.release();
  }

  /** Commits what is held open. It is sent, and not waited for. */
  release(): void {
    if (this.state.kind !== 'held') return;
    this.committing = this.commit(this.state);
    this.committing.catch(() => undefined); // the caller that awaits it gets the error
    this.state = IDLE;
  }

  /** Commits what is held open, and waits until all is durable. */
  async flush(): Promise<void> {
    this.release();
    await this.committing;
  }

  /**
   * Checks that the stored position is where this writer left it. Without writes, nothing else would show that the
   * tables were restored from an older copy.
   * @throws SynchroError `position_conflict`
   */
  async verify(): Promise<void> {
    await this.flush();
    const stored = await readPosition(this.options.client);
    const { confirmedLsn, epochSeq } = this.position.durable;
    if (stored?.confirmedLsn === confirmedLsn && stored.epochSeq === epochSeq) return;
    throw new SynchroError('position_conflict', 'the stored position is not where this instance left it');
  }

  /**
   * Runs other work on the changelog between two source transactions.
   * @returns false when a source transaction is only half written, so that the work has to wait
   */
  async between(work: (tx: ChangelogTransaction) => Promise<void>): Promise<boolean> {
    if (this.isWriting) return false;
    await this.flush();
    const tx = await ChangelogTransaction.begin(this.options.client, this.position.durable);
    try {
      await this.takeCare(tx);
      await work(tx);
      await this.position.advance(tx.commit());
      return true;
    } catch (error) {
      await tx.rollback();
      throw error;
    }
  }

  /**
   * Stores a position up to which nothing has to be written, before it is acknowledged: a slot that is ahead of the
   * stored position is then known to be another one.
   */
  async confirm(lsn: Lsn): Promise<void> {
    const tx = await ChangelogTransaction.begin(this.options.client, this.position.durable);
    await this.position.advance(tx.commit(lsn, tx.begunAt));
    this.options.acknowledge(lsn);
  }

  /** @param before the same, without the last batch */
  private hold(open: OpenTransaction, endLsn: Lsn, before: HeldTransaction | null): void {
    const now = performance.now();
    const { batches, since, last } = before ?? { batches: 0, since: now, last: Promise.resolve() };
    const counted = { batches: batches + 1, since, last: open.tx.answered(), beforeLast: last };
    this.state = { kind: 'held', ...open, endLsn, ...counted };
    if (batches + 1 === MOST_JOINED || now - since >= LONGEST_HELD_MS) this.release();
  }

  private async commit({ tx, endLsn, commitTime }: HeldTransaction): Promise<void> {
    await this.position.advance(tx.commit(endLsn, commitTime));
    publishPhase('committed');
    this.options.acknowledge(endLsn);
  }

  /**
   * The open transaction that a batch may join, where both have only new records, which no device reads earlier. Any
   * other open transaction is committed: entries of records from elsewhere carry the time at which they are written,
   * and devices may read the rows until the commit.
   */
  private heldFor({ endLsn, xids }: Batch, { isNew }: PreparedBatch): HeldTransaction | null {
    const held = this.state.kind === 'held' ? this.state : null;
    const isVisible = held && invisibleTransactions(held.tx.snapshot, xids).length === 0;
    if (isVisible && isNew && endLsn !== null) return held;
    this.release();
    return null;
  }

  private async takeCare(tx: ChangelogTransaction): Promise<void> {
    if (this.options.caution.isDue(this.position.sent.confirmedLsn)) await tx.beCareful();
  }

  /** Of a large transaction one piece is on its way at most, also where nothing has to be asked for. */
  private async goOn(tx: ChangelogTransaction, records: RecordIds): Promise<Begun> {
    await tx.written();
    return { tx, edges: await readEdges(tx, records) };
  }

  /** Two batches are on their way at most, while a third one is worked out. */
  private async join({ tx, commitTime, beforeLast }: HeldTransaction, records: RecordIds): Promise<Begun> {
    this.state = { kind: 'inside', tx, commitTime };
    tx.refreshSnapshot();
    await beforeLast;
    return { tx, edges: await readEdges(tx, records) };
  }

  /**
   * A commit is decoded before it is visible (interleavings 1). Waits until every source transaction of the batch is
   * visible, and doesn't hold the position meanwhile. The read of the edges is sent behind the lock without waiting
   * for it: only the holder of the lock writes edges.
   */
  private async begin(records: RecordIds, xids: readonly number[]): Promise<Begun> {
    const { client, signal } = this.options;
    for (;;) {
      const begun = ChangelogTransaction.begin(client, this.position.sent);
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
