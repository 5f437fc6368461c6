import type { DataSource, EntityManager, Logger, QueryRunner } from 'typeorm';
import { dataSourceOf } from '../typeorm-versions.js';

/**
 * TypeORM logs every statement of a DataSource. A host that logs its own would find a dozen of sync's in between for each
 * request, of kilobytes: they stay out, unless the host asks for them. The host's own code within a transaction of sync's
 * (a hook, a resolver, a policy) is logged as everywhere.
 */
const asked = new WeakSet<DataSource>();

/** From here on the log of a DataSource has sync's own statements, too. */
export function logOwnStatements(dataSource: DataSource): void {
  asked.add(dataSource);
}

/**
 * Runs code of the host's within a transaction of sync's: what it sends there is logged.
 *
 * The transaction's connection says whose code is at work, and no AsyncLocalStorage: up to Node 22, one of those makes
 * every promise of the process dearer (a tenth of what a push costs Node).
 */
export async function asHost<Result>(
  { queryRunner }: Pick<EntityManager, 'queryRunner'>,
  code: () => Result | Promise<Result>,
): Promise<Result> {
  const logger = queryRunner && loggers.get(queryRunner);
  return logger ? logger.during(code) : code();
}

const loggers = new WeakMap<QueryRunner, HostCodeLogger>();

/** The logger of what a runner sends. */
export function loggerOf(runner: QueryRunner): Logger {
  return loggers.get(runner) ?? dataSourceOf(runner.manager).logger;
}

/** From here on a runner of sync's own logs what the host's code sends, and what is slow. */
export function keepOutOfLog(runner: QueryRunner): void {
  const dataSource = dataSourceOf(runner.manager);
  if (asked.has(dataSource)) return;
  const logger = new HostCodeLogger(dataSource);
  loggers.set(runner, logger);
  // A runner asks its driver for the DataSource's logger; the others of the DataSource are to have theirs.
  const seen = { value: Object.create(dataSource, { logger: { value: logger } }) as DataSource };
  const own = runner as QueryRunner & { driver: object };
  own.driver = Object.create(own.driver, { dataSource: seen, connection: seen }) as object;
}

/** The logger of a DataSource, without sync's own statements. */
class HostCodeLogger implements Logger {
  /** The host's calls that are under way. */
  private calls = 0;

  constructor(private readonly dataSource: DataSource) {}

  async during<Result>(code: () => Result | Promise<Result>): Promise<Result> {
    this.calls += 1;
    try {
      return await code();
    } finally {
      this.calls -= 1;
    }
  }

  logQuery(...statement: Parameters<Logger['logQuery']>): void {
    if (this.calls > 0) this.dataSource.logger.logQuery(...statement);
  }

  /** Sync says itself what has failed; some statements are sent to find out whether they do. */
  logQueryError(...failure: Parameters<Logger['logQueryError']>): void {
    if (this.calls > 0) this.dataSource.logger.logQueryError(...failure);
  }

  logQuerySlow(...statement: Parameters<Logger['logQuerySlow']>): void {
    this.dataSource.logger.logQuerySlow(...statement);
  }

  logSchemaBuild(...message: Parameters<Logger['logSchemaBuild']>): void {
    this.dataSource.logger.logSchemaBuild(...message);
  }

  logMigration(...message: Parameters<Logger['logMigration']>): void {
    this.dataSource.logger.logMigration(...message);
  }

  log(...line: Parameters<Logger['log']>): void {
    this.dataSource.logger.log(...line);
  }
}
