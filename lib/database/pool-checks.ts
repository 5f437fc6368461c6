import type { DataSource } from 'typeorm';
import { describeError } from '../common/describe-error.js';
import { errorCode } from './database-error.js';
import type { SynchroProblem } from '../common/errors.js';
import { inTransaction } from './session.js';

/** A pooler in statement mode: every transaction would fail, and a first one that doesn't would not be one. */
export async function poolProblems(dataSource: DataSource): Promise<readonly SynchroProblem[]> {
  try {
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
