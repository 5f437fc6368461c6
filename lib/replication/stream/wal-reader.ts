import { setImmediate as turn } from 'node:timers/promises';
import type { ClientBase } from 'pg';
import type { Lsn } from '../../common/lsn.js';
import type { ChangelogTransaction } from '../../store/changelog/changelog-transaction.js';
import type { WalPosition } from '../../store/changelog/wal-position.js';
import { BatchWriter } from '../batch-writer.js';
import type { Caution } from '../caution.js';
import { publishPhase } from '../consumer-phase.js';
import type { MembershipApplier } from '../membership/membership-applier.js';
import type { KeepaliveMessage, ReplicationStream } from './replication-stream.js';
import { TransactionBatcher } from './transaction-batcher.js';

/** An idle position is stored when it has moved this far: each storing is WAL that moves it again. */
const IDLE_STORE_BYTES = 1024n * 1024n;

export interface WalReaderOptions {
  readonly stream: ReplicationStream;
  /** A connection of the writer's own. */
  readonly client: ClientBase;
  readonly position: WalPosition;
  readonly applier: MembershipApplier;
  readonly caution: Caution;
  readonly batchRows: number;
  readonly maxBatchRows: number;
  readonly onAppended: () => void;
  /** Ends waiting when the app stops. */
  readonly signal: AbortSignal;
}

/** Work on the changelog that belongs at a place in the stream. */
export interface DueWork {
  readonly lsn: Lsn;
  readonly run: (tx: ChangelogTransaction) => Promise<void>;
}

/**
 * Reads the stream into batches and has each written with its position; only what is durable is acknowledged. Anything
 * that goes wrong ends it with an error: the next start goes on from the stored position.
 */
export class WalReader {
  readonly writer: BatchWriter;
  private readonly batcher: TransactionBatcher;
  /** Where the last source transaction that was read was committed. */
  reachedLsn: Lsn;
  /** The latest keepalive, if nothing has come after it. */
  private keepalive: KeepaliveMessage | null = null;
  /** Positions that somebody waits for. */
  private readonly requested = new Set<Lsn>();
  /** Work that waits for its place in the stream. */
  private due: DueWork | null = null;

  constructor(private readonly options: WalReaderOptions) {
    const { stream, batchRows, maxBatchRows } = options;
    this.reachedLsn = options.position.confirmedLsn;
    this.writer = new BatchWriter({ ...options, acknowledge: (lsn) => stream.acknowledge(lsn) });
    this.batcher = new TransactionBatcher(() => this.confirmedLsn, batchRows, maxBatchRows);
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
        this.reachedLsn = message.commitLsn;
        publishPhase('decoding');
        if (this.due && message.commitLsn >= this.due.lsn) await this.runDue();
      }
      const full = this.batcher.add(message);
      if (!full) continue;
      await this.writer.write(full);
      // It goes out now, and what has arrived comes in.
      await turn();
    }
    // What comes while PostgreSQL is at work may still join.
    if (!stream.pending && this.writer.busy) await Promise.race([this.writer.busy, stream.arrival()]);
    if (stream.pending) return;
    const rest = this.batcher.flush();
    if (rest) await this.writer.write(rest);
    await this.writer.flush();
    if (this.batcher.inTransaction) return;
    if (this.keepalive) await this.confirmIdle(this.keepalive);
    if (this.due && this.confirmedLsn >= this.due.lsn) await this.runDue();
    publishPhase('idle');
  }

  /**
   * Lets work be done once everything that was committed before an LSN has been applied, and before anything that was
   * committed after it is.
   */
  schedule(work: DueWork): void {
    this.due = work;
  }

  /** Lets the position be stored as soon as it is known to have come this far, though nothing of ours has changed. */
  requestPosition(lsn: Lsn): void {
    this.requested.add(lsn);
  }

  /** Whether anything was applied since the start. */
  get progressed(): boolean {
    const { confirmedLsn, lastSeq } = this.options.position;
    return this.confirmedLsn > confirmedLsn || this.writer.position.durable.lastSeq > lastSeq;
  }

  /** Up to where all is durable. */
  private get confirmedLsn(): Lsn {
    return this.writer.position.durable.confirmedLsn;
  }

  /** Whether the position can be stored for a waiting request, without anything new. */
  private isIdleAt(keepalive: KeepaliveMessage | null): boolean {
    return keepalive !== null && !this.batcher.inTransaction && this.isRequested(keepalive.lsn);
  }

  private isRequested(lsn: Lsn): boolean {
    let found = false;
    for (const position of this.requested) {
      if (position <= this.confirmedLsn) this.requested.delete(position);
      else found ||= position <= lsn;
    }
    return found;
  }

  private async runDue(): Promise<void> {
    const { due } = this;
    this.due = null;
    const rest = this.batcher.flush();
    if (rest) await this.writer.write(rest);
    if (due) await this.writer.between(due.run);
  }

  /**
   * Nothing of ours is open and the server has sent all up to here. A server that is shutting down waits for the answer,
   * but has closed the writer's connection already: the error that this ends in closes the stream, which it waits for
   * just as well.
   */
  private async confirmIdle({ lsn, mustAnswer }: KeepaliveMessage): Promise<void> {
    const distance = lsn - this.confirmedLsn;
    if (distance <= 0n || (distance < IDLE_STORE_BYTES && !mustAnswer && !this.isRequested(lsn))) return;
    await this.writer.confirm(lsn);
  }
}
