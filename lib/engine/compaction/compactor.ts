import { Inject, Injectable } from '@nestjs/common';
import type { DataSource, EntityManager } from 'typeorm';
import { SynchroError } from '../../common/errors.js';
import { SyncLogger } from '../../common/sync-logger.js';
import { SchemaService } from '../../schema/schema.service.js';
import {
  removeDeadClients,
  removeOldManifests,
  removeResolvedFailures,
} from '../../store/clients/cleanup.js';
import { whileAlone } from '../../store/changelog/compaction-lock.js';
import { connectionConfig } from '../../database/connection-config.js';
import { removeOldPushFailures } from '../../store/clients/push-failures.js';
import { SYNC_DATA_SOURCE } from '../../database/data-source.token.js';
import type { CompactionResult } from '../../settings/compaction-result.js';
import { recordLongParked } from '../../store/clients/parked-rows.js';
import {
  deactivateStaleClients,
  deleteEntries,
  lastSeqOlderThan,
  raiseFloor,
} from '../../store/changelog/retention.js';
import { inTransaction, UNLIMITED } from '../../database/session.js';
import { SYNCHRO_OPTIONS } from '../../settings/synchro.options.js';
import type { CompactionSettings, SynchroSettings } from '../../settings/synchro.settings.js';

const LONG_PARKED_MS = 7 * 24 * 3600_000;

/**
 * Removes the entries that every active device has acknowledged, and other rows that are not needed any more. The
 * floor is raised first, in one transaction with the reading of its bounds; then the entries go in batches: a device
 * has to take a snapshot exactly when its history is gone.
 */
@Injectable()
export class Compactor {
  private readonly logger: SyncLogger;
  private readonly stopping = new AbortController();
  private readonly running = new Set<Promise<unknown>>();

  constructor(
    @Inject(SYNC_DATA_SOURCE) private readonly dataSource: DataSource,
    @Inject(SYNCHRO_OPTIONS) private readonly options: Pick<SynchroSettings, 'compaction' | 'logger'>,
    private readonly schemas: SchemaService,
  ) {
    this.logger = new SyncLogger(options.logger, 'SynchroCompactor');
  }

  /**
   * One run, while no other instance's is under way.
   * @param wait false: don't wait for another run to end
   * @returns null when another one is at it, and `wait` is false
   * @throws SynchroError `compaction_not_configured`; `temporarily_unavailable` when the app shuts down before its turn
   */
  async run({ wait }: { readonly wait: boolean }): Promise<CompactionResult | null> {
    const settings = this.settings();
    const { signal } = this.stopping;
    const run = whileAlone(connectionConfig(this.dataSource), { wait, signal }, () => this.compact(settings));
    this.running.add(run);
    try {
      return await run;
    } finally {
      this.running.delete(run);
    }
  }

  /** Ends runs after the batch at hand; the next run goes on from there. */
  async stop(): Promise<void> {
    this.stopping.abort();
    await Promise.allSettled(this.running);
  }

  private settings(): CompactionSettings {
    if (this.options.compaction) return this.options.compaction;
    throw new SynchroError(
      'compaction_not_configured',
      'compaction is not configured',
      'add compaction: {} to SynchroModule.forRoot().',
    );
  }

  private async compact(settings: CompactionSettings): Promise<CompactionResult> {
    const { staleThreshold, batchSize, removeClientsAfter } = settings;
    const deactivatedClients = await this.write((manager) => deactivateStaleClients(manager, staleThreshold));
    const safeSeq = await this.raiseFloor(settings.maxAge);
    const deletedEntries = await this.deleteEntries(safeSeq, batchSize);
    const removedClients = await this.inBatches(batchSize, () =>
      this.write((manager) => removeDeadClients(manager, removeClientsAfter, batchSize)),
    );
    const removedFailures = await this.inBatches(batchSize, () =>
      this.write((manager) => removeResolvedFailures(manager, staleThreshold, batchSize)),
    );
    await this.inBatches(batchSize, () =>
      this.write((manager) => removeOldPushFailures(manager, staleThreshold, batchSize)),
    );
    const { version } = await this.schemas.current();
    const removedManifests = await this.write((manager) => removeOldManifests(manager, version));
    await this.reportLongParked();
    return {
      deactivatedClients,
      safeSeq: safeSeq.toString(),
      deletedEntries,
      removedClients,
      removedFailures,
      removedManifests,
    };
  }

  /** The host's limits are for its requests: a batch takes as long as it takes. */
  private write<Result>(work: (manager: EntityManager) => Promise<Result>): Promise<Result> {
    return inTransaction(this.dataSource, 'write', work, UNLIMITED);
  }

  private async raiseFloor(maxAge: number): Promise<bigint> {
    // Before the transaction: appenders wait for that one.
    const aged = await this.write((manager) => lastSeqOlderThan(manager, maxAge));
    return this.write((manager) => raiseFloor(manager, maxAge, aged));
  }

  private async deleteEntries(floor: bigint, batchSize: number): Promise<number> {
    let last = 0n;
    return this.inBatches(batchSize, async () => {
      const batch = await this.write((manager) => deleteEntries(manager, last, floor, batchSize));
      last = batch.last;
      return batch.count;
    });
  }

  /** Each batch is a transaction of its own, and locks nothing that a device waits for. */
  private async inBatches(size: number, batch: () => Promise<number>): Promise<number> {
    let total = 0;
    while (!this.stopping.signal.aborted) {
      const count = await batch();
      total += count;
      if (count < size) break;
    }
    return total;
  }

  /** A create whose parent never comes was answered as applied: somebody has to know (interleavings 20). */
  private async reportLongParked(): Promise<void> {
    const count = await this.write((manager) => recordLongParked(manager, LONG_PARKED_MS));
    if (count === 0) return;
    this.logger.warn('creates have waited for their parents for over a week (see sync_rule_failures)', {
      count,
    });
  }
}
