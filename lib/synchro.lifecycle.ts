import {
  Inject,
  Injectable,
  type BeforeApplicationShutdown,
  type OnApplicationBootstrap,
} from '@nestjs/common';
import type { DataSource } from 'typeorm';
import { SyncLogger } from './common/sync-logger.js';
import { SyncRegistry } from './registry/sync-registry.js';
import { ConsumerMonitor } from './replication/consumer-monitor.js';
import { WalConsumer, type WalConsumerOptions } from './replication/wal-consumer.js';
import { OwnershipResolver } from './resolvers/ownership-resolver.js';
import { SchemaService } from './schema/schema.service.js';
import { connectionConfig } from './store/connection-config.js';
import { SYNC_DATA_SOURCE } from './store/data-source.token.js';
import { checkMigrations, runMigrations } from './store/migration-runner.js';
import { SYNCHRO_OPTIONS, type SynchroOptions } from './synchro.options.js';

/**
 * Starts and stops sync with the app. What is missing in the database stops the start with an error that says how to
 * mend it. The consumer stops before the HTTP server closes and before TypeORM's connections go.
 */
@Injectable()
export class SynchroLifecycle implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly logger: SyncLogger;
  private consumer: WalConsumer | null = null;

  constructor(
    @Inject(SYNC_DATA_SOURCE) private readonly dataSource: DataSource,
    @Inject(SYNCHRO_OPTIONS) private readonly options: SynchroOptions,
    private readonly registry: SyncRegistry,
    private readonly schemas: SchemaService,
    private readonly ownership: OwnershipResolver,
    private readonly monitor: ConsumerMonitor,
  ) {
    this.logger = new SyncLogger(options.logger, 'Synchro');
  }

  async onApplicationBootstrap(): Promise<void> {
    if (this.options.migrationsRun === true) await runMigrations(this.dataSource);
    await checkMigrations(this.dataSource);
    const contract = await this.schemas.current();
    const tables = this.registry.all().map((table) => table.name);
    this.logger.log('syncing', { tables: tables.join(', '), schemaVersion: contract.version });
    const { replication = {} } = this.options;
    if (replication === false) return;
    const options: WalConsumerOptions = {
      slotName: replication.slotName ?? 'synchro_slot',
      publicationName: replication.publicationName ?? 'synchro_pub',
      connection: replication.connection ?? connectionConfig(this.dataSource),
      batchRows: replication.batchRows ?? 1_000,
      maxBatchRows: replication.maxBatchRows ?? 2_000,
      maxSubscriptionRows: replication.maxSubscriptionRows ?? 50_000,
      maxBucketsPerRow: replication.maxBucketsPerRow ?? 1_000,
      walSenderTimeout: replication.walSenderTimeout ?? 10_000,
    };
    const logger = new SyncLogger(this.options.logger, 'SynchroWalConsumer');
    this.consumer = new WalConsumer(this.registry, this.ownership, options, this.monitor, logger);
    await this.consumer.start();
  }

  async beforeApplicationShutdown(): Promise<void> {
    await this.consumer?.stop();
  }
}
