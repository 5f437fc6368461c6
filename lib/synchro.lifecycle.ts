import {
  Inject,
  Injectable,
  type BeforeApplicationShutdown,
  type OnApplicationBootstrap,
} from '@nestjs/common';
import type { DataSource } from 'typeorm';
import { problemsError } from './common/errors.js';
import { SyncLogger } from './common/sync-logger.js';
import { SYNC_DATA_SOURCE } from './database/data-source.token.js';
import { poolProblems } from './database/pool-checks.js';
import { outliveNewConnections } from './database/pool.js';
import { logOwnStatements } from './database/query-log/query-log.js';
import { CompactionSchedule } from './engine/compaction/compaction-schedule.js';
import { ConsumerService } from './replication/consumer.service.js';
import { SYNCHRO_OPTIONS } from './settings/synchro.options.js';
import type { SynchroSettings } from './settings/synchro.settings.js';
import { StartChecks } from './start-checks.js';
import { runMigrations } from './store/migrations/migration-runner.js';

/**
 * Starts and stops sync with the app. Anything that is missing in the database stops the start, with an error that
 * says how to fix it. The consumer stops before the HTTP server closes and before TypeORM's connections go.
 */
@Injectable()
export class SynchroLifecycle implements OnApplicationBootstrap, BeforeApplicationShutdown {
  constructor(
    @Inject(SYNC_DATA_SOURCE) private readonly dataSource: DataSource,
    @Inject(SYNCHRO_OPTIONS)
    private readonly settings: Pick<SynchroSettings, 'migrationsRun' | 'logger' | 'logQueries'>,
    private readonly checks: StartChecks,
    private readonly consumer: ConsumerService,
    private readonly compactions: CompactionSchedule,
  ) {}

  async onApplicationBootstrap(): Promise<void> {
    outliveNewConnections(this.dataSource);
    if (this.settings.logQueries) logOwnStatements(this.dataSource);
    const pool = await poolProblems(this.dataSource, new SyncLogger(this.settings.logger, 'Synchro'));
    if (pool.length > 0) throw problemsError(pool);
    if (this.settings.migrationsRun) await runMigrations(this.dataSource);
    await this.checks.run(this.consumer);
    await this.consumer.start();
    this.compactions.start();
  }

  async beforeApplicationShutdown(): Promise<void> {
    // Together, from here: Nest calls one provider's hook after another's, and these would wait for each other.
    await Promise.all([this.consumer.stop(), this.compactions.stop()]);
  }
}
