import { Inject, Injectable } from '@nestjs/common';
import type { DataSource } from 'typeorm';
import type { SynchroProblem } from '../common/errors.js';
import { SyncLogger } from '../common/sync-logger.js';
import { connectionConfig } from '../database/connection-config.js';
import { SYNC_DATA_SOURCE } from '../database/data-source.token.js';
import { syncSchema } from '../database/sync-schema.js';
import { SyncRegistry } from '../registry/sync-registry.js';
import { OwnershipResolver } from '../resolvers/ownership-resolver.js';
import { SYNCHRO_OPTIONS } from '../settings/synchro.options.js';
import type { SynchroSettings } from '../settings/synchro.settings.js';
import { ConsumerMonitor } from './consumer-monitor.js';
import { WalConsumer } from './wal-consumer.js';

/** The WAL consumer of this instance, unless `replication: false` says that it has none. */
@Injectable()
export class ConsumerService {
  private consumer: WalConsumer | null = null;

  constructor(
    @Inject(SYNC_DATA_SOURCE) private readonly dataSource: DataSource,
    @Inject(SYNCHRO_OPTIONS) private readonly settings: Pick<SynchroSettings, 'replication' | 'logger'>,
    private readonly registry: SyncRegistry,
    private readonly ownership: OwnershipResolver,
    private readonly monitor: ConsumerMonitor,
  ) {}

  /** Makes the consumer, and finds what keeps it from starting. */
  async prepare(): Promise<readonly SynchroProblem[]> {
    this.consumer = this.newConsumer();
    return (await this.consumer?.problems()) ?? [];
  }

  /** Starts the consumer that {@link prepare} has made, and found no problems of. */
  async start(): Promise<void> {
    await this.consumer?.start();
  }

  async stop(): Promise<void> {
    await this.consumer?.stop();
  }

  private newConsumer(): WalConsumer | null {
    const { replication, logger } = this.settings;
    if (replication === false) return null;
    const connection = replication.connection ?? connectionConfig(this.dataSource);
    return new WalConsumer(
      this.registry,
      this.ownership,
      {
        ...replication,
        connection,
        schema: syncSchema(this.dataSource),
        onAppended: () => this.monitor.log.grown(),
      },
      this.monitor,
      new SyncLogger(logger, 'SynchroWalConsumer'),
    );
  }
}
