import {
  Inject,
  Injectable,
  type BeforeApplicationShutdown,
  type OnApplicationBootstrap,
} from '@nestjs/common';
import type { DataSource } from 'typeorm';
import { partition } from './common/collections.js';
import { describeProblem, problemsError } from './common/errors.js';
import { optionProblems } from './option-problems.js';
import { SyncLogger } from './common/sync-logger.js';
import { CompactionSchedule } from './engine/compaction/compaction-schedule.js';
import { SyncRegistry } from './registry/sync-registry.js';
import { ConsumerMonitor } from './replication/consumer-monitor.js';
import { DEFAULT_PUBLICATION_NAME, DEFAULT_SLOT_NAME } from './store/default-names.js';
import type { WalConsumerOptions } from './replication/consumer-options.js';
import { WalConsumer } from './replication/wal-consumer.js';
import { OwnershipResolver } from './resolvers/ownership-resolver.js';
import { hasDefaultRule } from './resolvers/default-rule.js';
import { SubscriptionResolver } from './resolvers/subscription-resolver.js';
import { unseenBucketWarnings } from './resolvers/unseen-buckets.js';
import { SchemaService } from './schema/schema.service.js';
import { connectionConfig } from './database/connection-config.js';
import { SYNC_DATA_SOURCE } from './database/data-source.token.js';
import { migrationProblems, runMigrations } from './store/migrations/migration-runner.js';
import { poolProblems } from './database/pool-checks.js';
import { outliveNewConnections } from './database/pool-errors.js';
import { syncSchema } from './database/sync-schema.js';
import { openPolicyWarnings } from './store/open-policies.js';
import { roleProblems } from './store/rls/role-checks.js';
import { SYNCHRO_OPTIONS } from './settings/synchro.options.js';
import type { SynchroSettings } from './settings/synchro.settings.js';

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
    private readonly subscriptions: SubscriptionResolver,
    private readonly compactions: CompactionSchedule,
    private readonly monitor: ConsumerMonitor,
  ) {
    this.logger = new SyncLogger(options.logger, 'Synchro');
  }

  async onApplicationBootstrap(): Promise<void> {
    outliveNewConnections(this.dataSource);
    const pool = await poolProblems(this.dataSource);
    if (pool.length > 0) throw problemsError(pool);
    if (this.options.migrationsRun === true) await runMigrations(this.dataSource);
    const consumer = this.newConsumer();
    await this.check(consumer);
    const contract = await this.schemas.current();
    const tables = this.registry.all().map((table) => table.name);
    this.logger.log('syncing', { tables: tables.join(', '), schemaVersion: contract.version });
    this.consumer = consumer;
    await consumer?.start();
    this.compactions.start();
  }

  async beforeApplicationShutdown(): Promise<void> {
    // Together, from here: Nest calls one provider's hook after another's, and these would wait for each other.
    await Promise.all([this.consumer?.stop(), this.compactions.stop()]);
  }

  /** Everything at once, wherever it was found: in the entities, the options, the tables or the server. */
  private async check(consumer: WalConsumer | null): Promise<void> {
    const schema = await this.schemas.check();
    const tables = [...schema.problems, ...(await migrationProblems(this.dataSource))];
    const problems = [
      ...tables,
      ...(await optionProblems(this.options)),
      // Rights on tables that are not there can't be looked at.
      ...(tables.length === 0
        ? await roleProblems(this.dataSource, this.registry, this.options.pushRole)
        : []),
      ...((await consumer?.problems()) ?? []),
    ];
    if (problems.length > 0) throw problemsError(problems);
    const [placed, others] = partition(this.registry.all(), (table) => hasDefaultRule(this.ownership, table));
    const warnings = [
      ...schema.warnings,
      ...unseenBucketWarnings(placed, this.subscriptions),
      ...(await openPolicyWarnings(this.dataSource, others, this.ownership.constructor.name)),
    ];
    for (const warning of warnings) this.logger.warn(describeProblem(warning));
  }

  private newConsumer(): WalConsumer | null {
    const { replication } = this.options;
    if (replication === false) return null;
    const options: WalConsumerOptions = {
      slotName: replication.slotName ?? DEFAULT_SLOT_NAME,
      publicationName: replication.publicationName ?? DEFAULT_PUBLICATION_NAME,
      connection: replication.connection ?? connectionConfig(this.dataSource),
      schema: syncSchema(this.dataSource),
      batchRows: replication.batchRows ?? 1_000,
      maxBatchRows: replication.maxBatchRows ?? 1_000,
      maxSubscriptionRows: replication.maxSubscriptionRows ?? 50_000,
      maxBucketsPerRow: replication.maxBucketsPerRow ?? 1_000,
      ruleTimeout: replication.ruleTimeout,
      walSenderTimeout: replication.walSenderTimeout,
    };
    const logger = new SyncLogger(this.options.logger, 'SynchroWalConsumer');
    return new WalConsumer(this.registry, this.ownership, options, this.monitor, logger);
  }
}
