import type { ClientBase } from 'pg';
import type { SyncLogger } from '../../common/sync-logger.js';
import type { ChangelogTransaction } from '../../store/changelog/changelog-transaction.js';
import type { MembershipApplier } from '../membership/membership-applier.js';
import { ensurePublication } from '../slot/publication.js';
import type { TableRules } from './table-rules.js';
import { readShapes } from './read-shapes.js';
import { sameShapes, type TableShapes } from './table-shapes.js';
import type { TrackedTables } from './tracked-tables.js';
import type { WalReader } from '../stream/wal-reader.js';

/** Watches the synced tables and the publication for changes that are not in the stream. */
export class TableWatch {
  /**
   * Makes or fixes the publication, and reads the tables' shapes with it.
   * @throws SynchroError when a table or a column that sync needs is missing
   */
  static async begin(
    client: ClientBase,
    tracked: TrackedTables,
    publicationName: string,
  ): Promise<TableWatch> {
    // Twice, so that the error can name a missing table or column.
    await readShapes(client, tracked, publicationName);
    await ensurePublication(client, publicationName, tracked);
    const shapes = await readShapes(client, tracked, publicationName);
    return new TableWatch(client, tracked, publicationName, shapes);
  }

  private constructor(
    private readonly client: ClientBase,
    private readonly tracked: TrackedTables,
    private readonly publicationName: string,
    /** As they were at the beginning. */
    readonly shapes: TableShapes,
  ) {}

  /** Schedules the search for changes that the stream left out, for when the stream has come this far. */
  scheduleCatchUp(
    reader: WalReader,
    rules: TableRules,
    applier: MembershipApplier,
    logger: SyncLogger,
  ): void {
    const run = async (tx: ChangelogTransaction): Promise<void> => {
      const found = await rules.catchUp(tx, applier, this.shapes);
      if (found.length > 0) logger.log('resolved tables again', { tables: found.join(', ') });
    };
    reader.schedule({ lsn: this.shapes.lsn, run });
    reader.requestPosition(this.shapes.lsn);
  }

  /** @throws like {@link begin} */
  async hasChanged(): Promise<boolean> {
    return !sameShapes(await readShapes(this.client, this.tracked, this.publicationName), this.shapes);
  }
}
