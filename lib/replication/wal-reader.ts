import type { ClientBase } from 'pg';
import { setTimeout as sleep } from 'node:timers/promises';
import { SynchroError } from '../common/errors.js';
import type { Lsn } from '../common/lsn.js';
import { ChangelogTransaction, type PendingCommit } from '../store/changelog-transaction.js';
import { readEdges, type EdgeRow, type RecordIds } from '../store/edges.js';
import { readPosition, type WalPosition } from '../store/wal-position.js';
import { publishPhase } from './consumer-phase.js';
import type { MembershipApplier } from './membership-applier.js';
import type { KeepaliveMessage, ReplicationStream } from './replication-stream.js';
import { invisibleTransactions } from './snapshot-visibility.js';
import { TransactionBatcher, type Batch } from './transaction-batcher.js';

/** An idle position is stored when it has moved this far: each storing is WAL that moves it again. */
const IDLE_STORE_BYTES = 1024n * 1024n;
const VISIBILITY_POLL_MS = 1;

export interface WalReaderOptions {
  readonly stream: ReplicationStream;
  /** A connection of the writer's own. */
  readonly client: ClientBase;
  readonly position: WalPosition;
  readonly applier: MembershipApplier;
  readonly batchRows: number;
  readonly maxBatchRows: number;
  /** Ends waiting when the app stops. */
  readonly signal: AbortSignal;
}

/** Work on the changelog that belongs at a place in the stream. */
export interface DueWork {
  readonly lsn: Lsn;
  readonly run: (tx: ChangelogTransaction) => Promise<void>;
}

/**
 * Reads the stream into batches and writes each with its position in one transaction; acknowledges only what is
 * durable. Anything that goes wrong ends it with an error: the next start goes on from the stored position.
 */
export class WalReader {
  /** What is durable. */
  private position: WalPosition;
  /** What will be, once {@link committing} is done. */
  private ahead: WalPosition;
  /** The commit of the last batch. It rejects with what became of the batch. */
  private committing: Promise<void> = Promise.resolve();
  private readonly batcher: TransactionBatcher;
  /** The writer transaction of a source transaction that is larger than a batch. */
  private openWriter: ChangelogTransaction | null = null;
  /** The latest keepalive, if nothing has come after it. */
  private keepalive: KeepaliveMessage | null = null;
  /** Positions that somebody waits for. */
  private wanted: readonly Lsn[] = [];
  /** Work that waits for its place in the stream. */
  private due: DueWork | null = null;
  /** Edges may come from rows that were committed up to here, though the stream is not as far; null: not known. */
  private lookedUntil: Lsn | null = null;
  private looks = 0;
  /** When the last transaction that was written was committed, microseconds. */
  private commitTime: bigint | null = null;

  constructor(private readonly options: WalReaderOptions) {
    this.position = options.position;
    this.ahead = options.position;
    this.batcher = new TransactionBatcher(
      () => this.position.confirmedLsn,
      options.batchRows,
      options.maxBatchRows,
    );
  }

  /** Takes what has arrived and applies it as far as it is complete. Returns early after `stream.wake()`. */
  async step(): Promise<void> {
    const { stream } = this.options;
    // Somebody has begun to wait for what had arrived before.
    const messages = !stream.pending && this.isIdleAt(this.keepalive) ? [] : await stream.take();
    for (const message of messages) {
      this.keepalive = message.tag === 'keepalive' ? message : null;
      if (message.tag === 'keepalive') continue;
      if (message.tag === 'begin') {
        publishPhase('decoding');
        if (this.due && message.commitLsn >= this.due.lsn) await this.runDue();
      }
      const full = this.batcher.add(message);
      if (full) await this.write(full);
    }
    if (stream.pending) return;
    const rest = this.batcher.flush();
    if (rest) await this.write(rest);
    await this.committing;
    if (this.batcher.inTransaction) return;
    if (this.keepalive) await this.confirmIdle(this.keepalive);
    if (this.due && this.position.confirmedLsn >= this.due.lsn) await this.runDue();
    publishPhase('idle');
  }

  /**
   * Lets work be done once everything that was committed before an LSN has been applied, and before anything that was
   * committed after it is.
   */
  schedule(work: DueWork): void {
    this.due = work;
  }

  /** Whether a source transaction is half written. */
  get isWriting(): boolean {
    return this.openWriter !== null;
  }

  /** Lets the position be stored as soon as it is known to have come this far, though nothing of ours has changed. */
  want(lsn: Lsn): void {
    this.wanted = [...this.wanted.filter((wanted) => wanted > this.position.confirmedLsn), lsn];
  }

  /** Whether anything was applied since the start. */
  get progressed(): boolean {
    const { confirmedLsn, lastSeq } = this.options.position;
    return this.position.confirmedLsn > confirmedLsn || this.position.lastSeq > lastSeq;
  }

  /**
   * Looks whether the stored position is still where this reader left it: where nothing is written, nothing else would
   * tell that the tables were restored from an older copy.
   * @throws SynchroError `position_conflict`
   */
  async verify(): Promise<void> {
    await this.committing;
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
    if (this.openWriter) return false;
    await this.committing;
    const tx = await ChangelogTransaction.begin(this.options.client, this.position);
    try {
      await work(tx);
      await this.advance(tx.commit());
      return true;
    } catch (error) {
      await tx.rollback();
      throw error;
    }
  }

  /** Whether the position can be stored for somebody who waits for it, without anything new. */
  private isIdleAt(keepalive: KeepaliveMessage | null): boolean {
    return keepalive !== null && !this.batcher.inTransaction && this.isWanted(keepalive.lsn);
  }

  private isWanted(lsn: Lsn): boolean {
    return this.wanted.some((wanted) => wanted > this.position.confirmedLsn && wanted <= lsn);
  }

  private async runDue(): Promise<void> {
    const { due } = this;
    this.due = null;
    const rest = this.batcher.flush();
    if (rest) await this.write(rest);
    if (due) await this.between(due.run);
  }

  /** What a batch asks for goes out while the one before is still being committed. */
  private async write(batch: Batch): Promise<void> {
    // PostgreSQL 14 sends empty transactions; the end of one that was cut may be empty, too, and has to be written.
    if (batch.changes.length === 0 && !this.openWriter) return;
    const lookedUntil = this.openWriter?.hasLooked === true ? null : this.lookedUntil;
    const prepared = this.options.applier.prepare(batch.changes, lookedUntil);
    const { tx, edges } = await this.begin(prepared.records, batch.xids);
    this.openWriter = tx;
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
    this.openWriter = null;
    this.committing = this.commit(tx, batch.endLsn);
    this.committing.catch(() => undefined); // whoever waits for it is told
  }

  private async commit(tx: ChangelogTransaction, endLsn: Lsn): Promise<void> {
    await this.advance(tx.commit(endLsn, this.commitTime));
    publishPhase('committed');
    this.options.stream.acknowledge(endLsn);
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
   * A commit is decoded before it is visible (interleavings 1): waits until every source transaction of the batch
   * can be seen, without holding the position while waiting. The edges are asked for behind the lock, without waiting
   * for it: whoever has it is the only one who writes them.
   */
  private async begin(
    records: RecordIds,
    xids: readonly number[],
  ): Promise<{ readonly tx: ChangelogTransaction; readonly edges: readonly EdgeRow[] }> {
    const { client, signal } = this.options;
    if (this.openWriter) {
      const tx = this.openWriter;
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
      if (invisibleTransactions(tx.snapshot, xids).length === 0) return { tx, edges: await read };
      await tx.rollback();
      signal.throwIfAborted();
      await sleep(VISIBILITY_POLL_MS);
    }
  }

  /**
   * Nothing of ours is open and the server has sent all up to here. The position is stored before it is
   * acknowledged, so that a slot found ahead of the stored position is known to be another one. A server that is
   * shutting down waits for the answer, but has closed the writer's connection already: the error that this ends
   * in closes the stream, which it waits for just as well.
   */
  private async confirmIdle({ lsn, mustAnswer }: KeepaliveMessage): Promise<void> {
    const distance = lsn - this.position.confirmedLsn;
    if (distance <= 0n || (distance < IDLE_STORE_BYTES && !mustAnswer && !this.isWanted(lsn))) return;
    const tx = await ChangelogTransaction.begin(this.options.client, this.position);
    await this.advance(tx.commit(lsn, tx.begunAt));
    this.options.stream.acknowledge(lsn);
  }
}
