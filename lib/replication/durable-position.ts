import type { Lsn } from '../common/lsn.js';
import type { PendingCommit } from '../store/changelog/changelog-transaction.js';
import type { WalPosition } from '../store/changelog/wal-position.js';

/** The stored position, as commits move it that are sent and not waited for. */
export class DurablePosition {
  /** The durable position. */
  durable: WalPosition;
  /** The position once everything that was sent is durable. */
  sent: WalPosition;
  /** Edges may come from rows that were committed up to here, though the stream is not as far; null: not known. */
  readAheadLsn: Lsn | null = null;
  private readAheads = 0;

  /** @param onAppended told when the log has grown, and can be read */
  constructor(
    position: WalPosition,
    private readonly onAppended: () => void,
  ) {
    this.durable = position;
    this.sent = position;
  }

  /**
   * Takes a commit's position as the sent one now, and as the durable one once the commit has succeeded.
   * @throws the error of the commit's transaction
   */
  async advance({ position, durable, readAheadLsn }: PendingCommit): Promise<void> {
    this.sent = position;
    const readAhead = readAheadLsn ? ++this.readAheads : this.readAheads;
    if (readAheadLsn) this.readAheadLsn = null;
    await durable;
    if (readAheadLsn && readAhead === this.readAheads) this.readAheadLsn = await readAheadLsn;
    const isAppended = position.lastSeq > this.durable.lastSeq;
    this.durable = position;
    if (isAppended) this.onAppended();
  }
}
