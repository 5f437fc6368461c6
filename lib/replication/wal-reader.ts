import type { ClientBase } from 'pg';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Lsn } from '../common/lsn.js';
import { ChangelogTransaction, type WalPosition } from '../store/changelog-transaction.js';
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
  /** Told every position that was acknowledged. */
  readonly onAcknowledged: (lsn: Lsn) => void;
}

/**
 * Reads the stream into batches and writes each with its position in one transaction; acknowledges only what is
 * durable. Anything that goes wrong ends it with an error: the next start goes on from the stored position.
 */
export class WalReader {
  private position: WalPosition;
  private readonly batcher: TransactionBatcher;
  /** The writer transaction of a source transaction that is larger than a batch. */
  private openWriter: ChangelogTransaction | null = null;
  /** The latest keepalive, if nothing has come after it. */
  private keepalive: KeepaliveMessage | null = null;

  constructor(private readonly options: WalReaderOptions) {
    this.position = options.position;
    this.batcher = new TransactionBatcher(
      () => this.position.confirmedLsn,
      options.batchRows,
      options.maxBatchRows,
    );
  }

  /** Takes what has arrived and applies it as far as it is complete. Returns early after `stream.wake()`. */
  async step(): Promise<void> {
    const { stream } = this.options;
    const messages = await stream.take();
    for (const message of messages) {
      this.keepalive = message.tag === 'keepalive' ? message : null;
      if (message.tag === 'keepalive') continue;
      if (message.tag === 'begin') publishPhase('decoding');
      const full = this.batcher.add(message);
      if (full) await this.write(full);
    }
    if (stream.pending) return;
    const rest = this.batcher.flush();
    if (rest) await this.write(rest);
    if (this.batcher.inTransaction) return;
    if (this.keepalive) await this.confirmIdle(this.keepalive);
    this.keepalive = null;
    publishPhase('idle');
  }

  /**
   * Runs other work on the changelog between two source transactions.
   * @returns false when a source transaction is only half written, so that the work has to wait
   */
  async between(work: (tx: ChangelogTransaction) => Promise<void>): Promise<boolean> {
    if (this.openWriter) return false;
    const tx = await ChangelogTransaction.begin(this.options.client, this.position);
    try {
      await work(tx);
      this.position = await tx.commit();
      return true;
    } catch (error) {
      await tx.rollback();
      throw error;
    }
  }

  private async write(batch: Batch): Promise<void> {
    if (batch.changes.length === 0 && batch.endLsn !== null) return; // PostgreSQL 14 sends empty transactions
    const tx = this.openWriter ?? (await this.beginVisible(batch.xids));
    this.openWriter = tx;
    publishPhase('writing');
    try {
      await this.options.applier.apply(tx, batch.changes);
      if (batch.endLsn === null) return;
      this.position = await tx.commit(batch.endLsn);
    } catch (error) {
      // A lost connection has rolled back by itself; the error to tell is the first one.
      await tx.rollback().catch(() => undefined);
      throw error;
    }
    this.openWriter = null;
    publishPhase('committed');
    this.acknowledge(batch.endLsn);
  }

  /**
   * A commit is decoded before it is visible (interleavings 1): waits until every source transaction of the batch
   * can be seen, without holding the position while waiting.
   */
  private async beginVisible(xids: readonly number[]): Promise<ChangelogTransaction> {
    for (;;) {
      const tx = await ChangelogTransaction.begin(this.options.client, this.position);
      if (invisibleTransactions(tx.snapshot, xids).length === 0) return tx;
      await tx.rollback();
      await sleep(VISIBILITY_POLL_MS);
    }
  }

  /**
   * Nothing of ours is open and the server has sent all up to here. The position is stored before it is
   * acknowledged, so that a slot found ahead of the stored position is known to be another one; only a server that
   * is shutting down, and waits for it, is answered at once.
   */
  private async confirmIdle({ lsn, mustAnswer }: KeepaliveMessage): Promise<void> {
    if (lsn <= this.position.confirmedLsn) return;
    if (mustAnswer) {
      this.acknowledge(lsn);
    } else if (lsn - this.position.confirmedLsn >= IDLE_STORE_BYTES) {
      const tx = await ChangelogTransaction.begin(this.options.client, this.position);
      this.position = await tx.commit(lsn);
      this.acknowledge(lsn);
    }
  }

  private acknowledge(lsn: Lsn): void {
    this.options.stream.acknowledge(lsn);
    this.options.onAcknowledged(lsn);
  }
}
