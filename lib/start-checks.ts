import { Inject, Injectable } from '@nestjs/common';
import type { DataSource } from 'typeorm';
import { describeWarnings, problemsError, type SynchroProblem } from './common/errors.js';
import { SyncLogger } from './common/sync-logger.js';
import { SYNC_DATA_SOURCE } from './database/data-source.token.js';
import { optionProblems } from './option-problems.js';
import { SyncRegistry } from './registry/sync-registry.js';
import type { ConsumerService } from './replication/consumer.service.js';
import { SchemaService } from './schema/schema.service.js';
import { SYNCHRO_OPTIONS } from './settings/synchro.options.js';
import type { SynchroSettings } from './settings/synchro.settings.js';
import { versionProblems } from './version-problems.js';
import { migrationProblems } from './store/migrations/migration-runner.js';
import { roleProblems } from './store/rls/role-checks.js';
import { writeRuleProblems } from './store/write-rule-problems.js';
import { VisibilityWarnings } from './visibility-warnings.js';

/** Checks everything and reports it together: the entities, the options, the tables and the server. */
@Injectable()
export class StartChecks {
  private readonly logger: SyncLogger;

  constructor(
    @Inject(SYNC_DATA_SOURCE) private readonly dataSource: DataSource,
    @Inject(SYNCHRO_OPTIONS) private readonly settings: SynchroSettings,
    private readonly registry: SyncRegistry,
    private readonly schemas: SchemaService,
    private readonly visibility: VisibilityWarnings,
  ) {
    this.logger = new SyncLogger(settings.logger, 'Synchro');
  }

  /**
   * Logs what is worth knowing, and what will be synced.
   * @throws SynchroError with everything that keeps the app from starting
   */
  async run(consumer: ConsumerService): Promise<void> {
    const schema = await this.schemas.check();
    const versions = versionProblems();
    const unfit = versions.filter(({ isAdvice }) => !isAdvice);
    const problems = [...unfit, ...(await this.problems(schema.problems)), ...(await consumer.prepare())];
    if (problems.length > 0) throw problemsError(problems);
    const newer = versions.filter(({ isAdvice }) => isAdvice);
    const warnings = [...newer, ...schema.warnings, ...(await this.visibility.all())];
    for (const line of describeWarnings(warnings)) this.logger.warn(line);
    const contract = await this.schemas.current();
    const tables = this.registry.all().map((table) => table.name);
    this.logger.log('syncing', { tables: tables.join(', '), schemaVersion: contract.version });
  }

  private async problems(schema: readonly SynchroProblem[]): Promise<readonly SynchroProblem[]> {
    const { dataSource, registry, settings } = this;
    const tables = [...schema, ...(await migrationProblems(dataSource))];
    // Rights on missing tables can't be checked.
    const rights =
      tables.length === 0
        ? [
            ...(await roleProblems(dataSource, registry, settings.pushRole)),
            ...(await writeRuleProblems(dataSource, registry.all())),
          ]
        : [];
    return [...tables, ...(await optionProblems(settings)), ...rights];
  }
}
