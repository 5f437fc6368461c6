import { randomUUID } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import type { ClientBase } from 'pg';
import type { DataSource, EntityManager } from 'typeorm';
import { describeError } from '../common/describe-error.js';
import type { SynchroProblem } from '../common/errors.js';
import type { SyncLogger } from '../common/sync-logger.js';
import { errorCode, isTransient } from './database-error.js';
import { cutConnection } from './pg-internals.js';
import { pipelined, stopPipelining, type SqlStatement } from './pipeline.js';
import { keepOutOfLog } from './query-log/query-log.js';
import { localSettingsSql, POOLED_SETTINGS, unlimitedSql } from './session-settings.js';
import { inTransaction } from './session.js';

/**
 * Finds out what the pool's connections can do. Where statements can't be sent together, they go one by one from here on,
 * with a warning.
 * @returns what keeps sync from working: a pooler in statement mode, where every transaction would fail, and a first one
 *   that doesn't would not be one
 */
export async function poolProblems(
  dataSource: DataSource,
  logger: SyncLogger,
): Promise<readonly SynchroProblem[]> {
  try {
    const fault = await pipeliningFault(dataSource);
    if (fault !== null) {
      stopPipelining(dataSource);
      logger.warn(
        'statements go to PostgreSQL one by one, and requests take longer: pg failed the self-test',
        {
          reason: fault,
        },
      );
    }
    await inTransaction(dataSource, 'read', (manager) => manager.query('SELECT 1'));
    return [];
  } catch (error) {
    if (errorCode(error) !== '08P01') throw error;
    return [
      {
        code: 'configuration_invalid',
        entity: 'DataSource',
        option: 'connection',
        message: `the connection pooler in front of PostgreSQL gives no transactions: ${describeError(error)}`,
        fix: "set PgBouncer's pool_mode to transaction or session for this database",
      },
    ];
  }
}

/** How long the self-test may take. A driver that sends no Sync would wait without end. */
const SELF_TEST_MS = 10_000;

/** Under no setting of the host's, as each request. */
const BEGIN = `BEGIN; SELECT ${localSettingsSql(POOLED_SETTINGS)}, ${unlimitedSql({ local: true })},
  set_config('statement_timeout', '0', true), set_config('idle_in_transaction_session_timeout', '0', true)`;

/** Why statements can't be sent together; null: they can. @throws what says nothing about that: the server is gone, say */
async function pipeliningFault(dataSource: DataSource): Promise<string | null> {
  const runner = dataSource.createQueryRunner();
  try {
    const client = (await runner.connect()) as ClientBase;
    keepOutOfLog(runner);
    const ended = new Promise((resolve) => client.once('end', resolve));
    let fault: string | null = null;
    const timer = setTimeout(() => {
      fault = `no answer within ${SELF_TEST_MS} ms`;
      cutConnection(client);
    }, SELF_TEST_MS);
    try {
      await runner.query(BEGIN);
      await selfTest(runner.manager);
      await runner.query('ROLLBACK');
    } catch (error) {
      fault ??= isTransient(error) ? null : describeError(error);
      if (fault === null) throw error;
      // Answers may still be on their way.
      cutConnection(client);
      await ended;
    } finally {
      clearTimeout(timer);
    }
    return fault;
  } finally {
    await runner.release();
  }
}

const plain = (n: number): SqlStatement => ({ sql: `SELECT ${n} AS n` });

/** Sends what requests send: statements together, by name, one that fails, and what comes behind it. */
async function selfTest(manager: EntityManager): Promise<void> {
  const name = `synchro_self_test_${randomUUID()}`;
  const named = (n: number): SqlStatement => ({ name, sql: 'SELECT $1::integer AS n', parameters: [n] });
  const failing = { sql: 'SELECT 1 / $1::integer', parameters: [0] };
  const expect = async (...statements: readonly SqlStatement[]): Promise<void> => {
    const rows = await pipelined(manager, statements);
    const wanted = statements.map((_, index) => [{ n: index }]);
    if (!isDeepStrictEqual(rows, wanted))
      throw new TypeError('statements were answered with the rows of others');
  };
  await expect(plain(0), plain(1));
  await manager.query('SAVEPOINT self_test');
  await pipelined(manager, [plain(0), failing, named(2)]).then(
    () => {
      throw new TypeError('a statement that fails was answered');
    },
    (error: unknown) => {
      if (errorCode(error) !== '22012') throw error;
    },
  );
  await manager.query('ROLLBACK TO SAVEPOINT self_test');
  await expect(plain(0), named(1), named(2));
  await expect(named(0), plain(1));
  // The server keeps it else, for as long as a pooler keeps the connection.
  await manager.query(`DEALLOCATE "${name}"`);
}
