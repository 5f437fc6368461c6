import { AsyncLocalStorage } from 'node:async_hooks';
import type { DataSource, Logger, QueryRunner } from 'typeorm';
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

const isHostCode = new AsyncLocalStorage<boolean>();

/** Runs code of the host's: what it sends is logged. */
export function asHost<Result>(code: () => Result): Result {
  return isHostCode.run(true, code);
}

/** Runs code of sync's, which the host's may have called. */
export function asSync<Result>(code: () => Result): Result {
  return isHostCode.run(false, code);
}

const loggers = new WeakMap<QueryRunner, Logger>();

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
  constructor(private readonly dataSource: DataSource) {}

  logQuery(...statement: Parameters<Logger['logQuery']>): void {
    if (isHostCode.getStore() === true) this.dataSource.logger.logQuery(...statement);
  }

  /** Sync says itself what has failed; some statements are sent to find out whether they do. */
  logQueryError(...failure: Parameters<Logger['logQueryError']>): void {
    if (isHostCode.getStore() === true) this.dataSource.logger.logQueryError(...failure);
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
