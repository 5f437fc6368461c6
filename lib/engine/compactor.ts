import { Inject, Injectable } from '@nestjs/common';
import type { DataSource } from 'typeorm';
import { SyncLogger } from '../common/sync-logger.js';
import { SYNC_DATA_SOURCE } from '../store/data-source.token.js';
import type { CompactionResult } from '../store/compaction-result.js';
import { recordLongParked } from '../store/parked-rows.js';
import { deactivateStaleClients, deleteEntries, raiseFloor } from '../store/retention.js';
import { SYNCHRO_OPTIONS, type SynchroOptions } from '../synchro.options.js';

const DEFAULT_STALE_MS = 7 * 24 * 3600_000;
const DEFAULT_BATCH = 10_000;
const LONG_PARKED_MS = 7 * 24 * 3600_000;

/**
 * Removes the entries that every active device has acknowledged. The floor is raised first, in one transaction with
 * the reading of what must be kept, then the entries go in batches: a device is told to take a snapshot exactly when
 * its history is gone.
 */
@Injectable()
export class Compactor {
  private readonly logger: SyncLogger;

  constructor(
    @Inject(SYNC_DATA_SOURCE) private readonly dataSource: DataSource,
    @Inject(SYNCHRO_OPTIONS) private readonly options: SynchroOptions,
  ) {
    this.logger = new SyncLogger(options.logger, 'SynchroCompactor');
  }

  async run(): Promise<CompactionResult> {
    const { staleThreshold = DEFAULT_STALE_MS, batchSize = DEFAULT_BATCH } = this.options.compaction ?? {};
    const deactivatedClients = await deactivateStaleClients(this.dataSource.manager, staleThreshold);
    const safeSeq = await this.dataSource.transaction((manager) => raiseFloor(manager));
    let deletedEntries = 0;
    for (;;) {
      const deleted = await deleteEntries(this.dataSource.manager, safeSeq, batchSize);
      deletedEntries += deleted;
      if (deleted < batchSize) break;
    }
    await this.reportLongParked();
    return { deactivatedClients, safeSeq, deletedEntries };
  }

  /** A create whose parent never comes was answered as applied: somebody has to know (interleavings 20). */
  private async reportLongParked(): Promise<void> {
    const count = await recordLongParked(this.dataSource.manager, LONG_PARKED_MS);
    if (count === 0) return;
    this.logger.warn('creates have waited for their parents for over a week (see sync_rule_failures)', {
      count,
    });
  }
}
