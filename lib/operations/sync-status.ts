import { setTimeout as sleep } from 'node:timers/promises';
import { Inject, Injectable } from '@nestjs/common';
import type { DataSource } from 'typeorm';
import { Live, type LiveReport } from '../live/live.js';
import { ConsumerMonitor, type ConsumerReport } from '../replication/consumer-monitor.js';
import { SYNC_DATA_SOURCE } from '../database/data-source.token.js';
import { databaseName } from '../database/connection-config.js';
import type { RefusedChange } from '../store/tasks/operation-lists.js';
import { readStatus, type StoredStatus } from '../store/status-sql.js';
import { inTransaction } from '../database/session.js';
import { announceMark } from '../store/changelog/wal-progress.js';
import { SYNCHRO_OPTIONS } from '../settings/synchro.options.js';
import { readReplication, type SynchroSettings } from '../settings/synchro.settings.js';

/** How sync is doing, fit for JSON. Sizes are bytes; counts stop at 10 000, which then means that or more. */
export interface SyncStatusReport {
  /** The state of this instance's WAL consumer. */
  readonly consumer: ConsumerReport;
  readonly slot: {
    readonly name: string;
    /** Some instance, this one or another, consumes. */
    readonly active: boolean;
    /** `reserved`, `extended`, `unreserved` or `lost`, as in `pg_replication_slots`; null when there is no slot. */
    readonly walStatus: string | null;
    /** WAL that the server keeps for the slot. */
    readonly retainedBytes: number | null;
    /** WAL that can still be written before the slot may be lost; null: no limit (`max_slot_wal_keep_size`). */
    readonly safeWalSize: number | null;
  };
  /** How far the changelog is behind the tables; 0 when it is not. null before the first start. */
  readonly lag: {
    readonly bytes: number | null;
    /** How old the newest change is that devices can pull for sure. */
    readonly seconds: number | null;
  };
  readonly changelog: {
    /** The last seq that was issued, as text, for it has 64 bits; null before the first start. */
    readonly lastSeq: string | null;
    /** Below it, history was compacted away. */
    readonly floorSeq: string | null;
    /** First seq of the epoch: it moves when a lost slot sent the devices to a snapshot. */
    readonly epochSeq: string | null;
  };
  readonly openRuleFailures: number;
  readonly waitingRows: number;
  readonly parkedRows: number;
  /** Pushed changes that failed whenever they were tried: their devices dropped them (see `SyncOperations.refusedChanges`). */
  readonly refusedChanges: {
    readonly count: number;
    /** The five that were refused last, newest first. */
    readonly latest: readonly Pick<RefusedChange, 'table' | 'recordId' | 'error' | 'refusedAt'>[];
  };
  /** Consumer tasks that are not done: tables and rows to reresolve, records to withdraw or redeliver. */
  readonly openTasks: number;
  /** The live channel of this instance. */
  readonly live: LiveReport;
}

/**
 * The pauses in which a running consumer has to answer before it counts as behind; they double from the first to the
 * last.
 */
const FIRST_PAUSE_MS = 2;
const LAST_PAUSE_MS = 128;

/** Tells how sync is doing, on every instance: for health checks, metrics, dashboards. */
@Injectable()
export class SyncStatus {
  constructor(
    @Inject(SYNC_DATA_SOURCE) private readonly dataSource: DataSource,
    @Inject(SYNCHRO_OPTIONS) private readonly options: Pick<SynchroSettings, 'replication'>,
    private readonly monitor: ConsumerMonitor,
    private readonly live: Live,
  ) {}

  /**
   * Asks the consumer, wherever it runs, to confirm its position, and reads a handful of rows. Takes a quarter of a
   * second when it is behind, and a few milliseconds otherwise.
   */
  async read(): Promise<SyncStatusReport> {
    const stored = await this.readConfirmed();
    const behind = stored.lagBytes !== '0';
    return {
      consumer: this.monitor.report,
      slot: {
        name: stored.slotName ?? this.slotName,
        active: stored.active ?? false,
        walStatus: stored.walStatus,
        retainedBytes: numberOf(stored.retainedBytes),
        safeWalSize: numberOf(stored.safeWalSize),
      },
      lag: {
        bytes: numberOf(stored.lagBytes),
        seconds: behind ? stored.secondsSinceApplied : 0,
      },
      changelog: {
        lastSeq: stored.lastSeq,
        floorSeq: stored.floorSeq,
        epochSeq: stored.epochSeq,
      },
      openRuleFailures: stored.openFailures,
      waitingRows: stored.waitingRows,
      parkedRows: stored.parkedRows,
      refusedChanges: {
        count: stored.refusedChanges,
        latest: stored.latestRefused.map((each) => ({ ...each, refusedAt: new Date(each.refusedAt) })),
      },
      openTasks: stored.tasks,
      live: this.live.report,
    };
  }

  /**
   * An idle consumer stores its position once in a MiB, so a position that is behind says little until the consumer
   * was asked (see `WalReader.requestPosition`).
   */
  private async readConfirmed(): Promise<StoredStatus> {
    const { dataSource } = this;
    const read = (to: string | null): Promise<StoredStatus> =>
      inTransaction(dataSource, 'read', (manager) => readStatus(manager, this.slotName, to));
    let stored = await read(null);
    const { lsn } = stored;
    if (stored.active !== true || stored.lagBytes === '0') return stored;
    await inTransaction(dataSource, 'write', (manager) => announceMark(manager, BigInt(lsn)));
    for (let pause = FIRST_PAUSE_MS; pause <= LAST_PAUSE_MS && stored.lagBytes !== '0'; pause *= 2) {
      await sleep(pause);
      stored = await read(lsn);
    }
    return stored;
  }

  private get slotName(): string {
    const { replication } = this.options;
    return replication === false
      ? readReplication({}, databaseName(this.dataSource)).slotName
      : replication.slotName;
  }
}

function numberOf(text: string | null): number | null {
  return text === null ? null : Number(text);
}
