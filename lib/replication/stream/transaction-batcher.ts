import { SynchroError } from '../../common/errors.js';
import type { Lsn } from '../../common/lsn.js';
import type { RowMessage, TruncateMessage, Tuple, WalMessage } from './pgoutput.js';

/** One change of the batch with the commit of its source transaction. */
export interface Change {
  readonly message: RowMessage | TruncateMessage;
  /** Microseconds since 1970. */
  readonly commitTime: bigint;
  readonly commitLsn: Lsn;
}

/**
 * Changes that are applied in one transaction: whole source transactions, or a piece of one that is too large to
 * hold.
 */
export interface Batch {
  readonly changes: readonly Change[];
  /** Low 32 bits of the source transactions' ids: all must be visible before anything is read. */
  readonly xids: readonly number[];
  /** End of the last commit; null within a transaction, whose writer transaction then stays open. */
  readonly endLsn: Lsn | null;
}

/** Characters of column text after which a batch is cut like at `hardRows`: rows may be wide. */
const MAX_TEXT = 8 * 1024 * 1024;

/**
 * Cuts the stream into batches: at a commit once `softRows` are there, within a transaction at `hardRows`.
 * Transactions at or below the stored position (sent again after a reconnect) are left out.
 */
export class TransactionBatcher {
  /** Those of complete transactions, and then those of the open one. */
  private changes: Change[] = [];
  private completeCount = 0;
  private completeText = 0;
  private completeXids: number[] = [];
  private completeEnd: Lsn | null = null;
  private open: OpenTransaction | null = null;

  constructor(
    private readonly position: () => Lsn,
    private readonly softRows: number,
    private readonly hardRows: number,
  ) {}

  /** @returns a batch that is full, if this message filled one */
  add(message: WalMessage): Batch | null {
    switch (message.tag) {
      case 'begin':
        if (this.open) throw new SynchroError('decode_failed', 'a transaction began within another one');
        this.open = {
          xid: message.xid,
          commitTime: message.commitTime,
          commitLsn: message.commitLsn,
          skipped: message.commitLsn < this.position(),
          cut: false,
          text: 0,
        };
        return null;
      case 'commit':
        return this.commit(message.endLsn);
      default:
        return this.addChange(message);
    }
  }

  /** The complete transactions so far, to be applied when nothing more is waiting. */
  flush(): Batch | null {
    if (this.completeEnd === null) return null;
    const changes = this.changes.splice(0, this.completeCount);
    const batch = { changes, xids: this.completeXids, endLsn: this.completeEnd };
    this.completeCount = 0;
    this.completeText = 0;
    this.completeXids = [];
    this.completeEnd = null;
    return batch;
  }

  /** Whether a source transaction has begun and not ended. */
  get inTransaction(): boolean {
    return this.open !== null;
  }

  private addChange(message: RowMessage | TruncateMessage): Batch | null {
    if (!this.open || this.open.skipped) return null;
    const { xid, commitTime, commitLsn } = this.open;
    this.changes.push({ message, commitTime, commitLsn });
    this.open.text += textLength(message);
    if (this.changes.length < this.hardRows && this.open.text + this.completeText < MAX_TEXT) return null;
    // Whole transactions first: the piece of the open one comes when it is full by itself.
    if (this.completeEnd !== null) return this.flush();
    const { changes } = this;
    this.changes = [];
    this.open.text = 0;
    this.open.cut = true;
    return { changes, xids: [xid], endLsn: null };
  }

  private commit(endLsn: Lsn): Batch | null {
    const open = this.open;
    this.open = null;
    if (!open || open.skipped) return null;
    this.completeCount = this.changes.length;
    this.completeText += open.text;
    this.completeXids.push(open.xid);
    this.completeEnd = endLsn;
    // The writer transaction of the pieces may not see later transactions yet: it ends with this one.
    return open.cut || this.completeCount >= this.softRows ? this.flush() : null;
  }
}

interface OpenTransaction {
  readonly xid: number;
  readonly commitTime: bigint;
  readonly commitLsn: Lsn;
  /** It is at or below the stored position. */
  readonly skipped: boolean;
  /** A piece of it has been handed out. */
  cut: boolean;
  /** Characters that its changes hold. */
  text: number;
}

function textLength(message: RowMessage | TruncateMessage): number {
  if (message.tag === 'truncate') return 0;
  const next = message.tag === 'delete' ? 0 : tupleLength(message.next);
  // Under REPLICA IDENTITY FULL the old row comes, too.
  return next + (message.tag === 'insert' || !message.previous ? 0 : tupleLength(message.previous));
}

function tupleLength(tuple: Tuple): number {
  return tuple.reduce((length, value) => length + (value?.length ?? 0), 0);
}
