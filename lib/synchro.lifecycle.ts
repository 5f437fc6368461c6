import {
  Inject,
  Injectable,
  type BeforeApplicationShutdown,
  type OnApplicationBootstrap,
} from '@nestjs/common';
import type { DataSource } from 'typeorm';
import { SyncLogger } from './common/sync-logger.js';
import { CompactionSchedule } from './engine/compaction-schedule.js';
import { SyncRegistry } from './registry/sync-registry.js';
import { ConsumerMonitor } from './replication/consumer-monitor.js';
import { WalConsumer, type WalConsumerOptions } from './replication/wal-consumer.js';
import { OwnershipResolver } from './resolvers/ownership-resolver.js';
import { SchemaService } from './schema/schema.service.js';
import { connectionConfig } from './store/connection-config.js';
import { SYNC_DATA_SOURCE } from './store/data-source.token.js';
import { checkMigrations, runMigrations } from './store/migration-runner.js';
import { checkPushRole, checkReadPolicies } from './store/role-checks.js';
import { SYNCHRO_OPTIONS } from './synchro.options.js';
import type { SynchroSettings } from './synchro.settings.js';

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
    @Inject(SYNCHRO_OPTIONS) private readonly options: SynchroSettings,
    private readonly registry: SyncRegistry,
    private readonly schemas: SchemaService,
    private readonly ownership: OwnershipResolver,
    private readonly compactions: CompactionSchedule,
    private readonly monitor: ConsumerMonitor,
  ) {
    this.logger = new SyncLogger(options.logger, 'Synchro');
  }

  async onApplicationBootstrap(): Promise<void> {
    if (this.options.migrationsRun === true) await runMigrations(this.dataSource);
    await checkMigrations(this.dataSource);
    const contract = await this.schemas.current();
    await this.checkRoles();
    const tables = this.registry.all().map((table) => table.name);
    this.logger.log('syncing', { tables: tables.join(', '), schemaVersion: contract.version });
    await this.startConsumer();
    this.compactions.start();
  }

  async beforeApplicationShutdown(): Promise<void> {
    // Together, from here: Nest calls one provider's hook after another's, and these would wait for each other.
    await Promise.all([this.consumer?.stop(), this.compactions.stop()]);
  }

  private async startConsumer(): Promise<void> {
    const { replication } = this.options;
    if (replication === false) return;
    const options: WalConsumerOptions = {
      slotName: replication.slotName ?? 'synchro_slot',
      publicationName: replication.publicationName ?? 'synchro_pub',
      connection: replication.connection ?? connectionConfig(this.dataSource),
      batchRows: replication.batchRows ?? 1_000,
      maxBatchRows: replication.maxBatchRows ?? 2_000,
      maxSubscriptionRows: replication.maxSubscriptionRows ?? 50_000,
      maxBucketsPerRow: replication.maxBucketsPerRow ?? 1_000,
      walSenderTimeout: replication.walSenderTimeout,
    };
    const logger = new SyncLogger(this.options.logger, 'SynchroWalConsumer');
    this.consumer = new WalConsumer(this.registry, this.ownership, options, this.monitor, logger);
    await this.consumer.start();
  }

  private async checkRoles(): Promise<void> {
    const { pushRole } = this.options;
    if (pushRole !== undefined) await checkPushRole(this.dataSource, this.registry, pushRole);
    await checkReadPolicies(this.dataSource, this.registry);
  }
}
