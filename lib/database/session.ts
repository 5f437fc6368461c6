import type { DataSource, EntityManager, QueryRunner } from 'typeorm';
import { isTransient } from './database-error.js';
import { SynchroError } from '../common/errors.js';
import { pipelined, type Rows, StatementBatch, type SqlStatement } from './pipeline.js';
import { keepOutOfLog } from './query-log/query-log.js';
import { localSettingsSql, POOLED_SETTINGS, unlimitedSql } from './session-settings.js';
import { keepPlans, PreparedStatement } from './statement.js';
import { qualifyOn } from './sync-schema.js';

/**
 * A database in SQL_ASCII stores any bytes. Those that aren't UTF-8 become the replacement character, instead of
 * failing the whole statement.
 */
const ENCODING = `CASE current_setting('server_encoding') WHEN 'SQL_ASCII' THEN 'SQL_ASCII' ELSE 'UTF8' END`;

/** Sets it for a session: the driver asks for UTF-8 by itself. */
export const ENCODING_SQL = `SELECT set_config('client_encoding', ${ENCODING}, false)`;

const BEGIN = {
  read: 'BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY',
  write: 'BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE',
} as const;

export type TransactionKind = keyof typeof BEGIN;

/**
 * $1 milliseconds that a statement may take, $2 that it may wait for a lock; null: the session's own.
 *
 * A transaction of a process that is frozen, or cut off without the server's knowing, loses its locks after $3: an
 * ALTER TABLE would wait for it, and everything else for that. A longer time of the host's stays.
 *
 * A change that a device knows as applied must survive a crash, also where the host lets its own commits be lost.
 */
const SETTINGS = new PreparedStatement(
  `SELECT ${localSettingsSql(POOLED_SETTINGS)}, ${unlimitedSql({ local: true })},
    set_config('client_encoding', ${ENCODING}, true),
    CASE WHEN current_setting('synchronous_commit') = 'off' THEN set_config('synchronous_commit', 'local', true) END,
    CASE WHEN $1::text IS NOT NULL THEN set_config('statement_timeout', $1, true) END,
    CASE WHEN $2::text IS NOT NULL THEN set_config('lock_timeout', $2, true) END,
    CASE WHEN current_setting('idle_in_transaction_session_timeout')::interval < $3::text::interval
         THEN set_config('idle_in_transaction_session_timeout', $3, true) END`,
);

/** How long a transaction may be idle. */
function idleTimeout(worksBetween: boolean): string {
  return worksBetween ? '30s' : '5s';
}

/**
 * The user of a transaction, and the buckets that this user reads, for row-level security. Local to the transaction.
 */
export const USER_SETTING = 'app.user_id';
export const BUCKETS_SETTING = 'app.buckets';

/**
 * The select list that sets both.
 * @param user a text expression of the canonical user id
 * @param buckets a text expression: an array as PostgreSQL writes one, since a user may have thousands
 */
export function callerSql(user: string, buckets: string): string {
  return `set_config('${USER_SETTING}', ${user}, true), set_config('${BUCKETS_SETTING}', ${buckets}, true)`;
}

/** Runs statements in a transaction. */
export type SqlRunner = Pick<EntityManager, 'query'>;

export interface TransactionOptions {
  /** Milliseconds. Default: the session's own. */
  readonly statementTimeout?: number;
  /** Milliseconds. Default: the session's own. */
  readonly lockTimeout?: number;
  /** Its statements may be prepared by name (see {@link PreparedStatement}). Default: false. */
  readonly keepsPlans?: boolean;
  /**
   * It may take its time between two statements: the host's code runs in it, or it judges thousands of changes in turns
   * with others' work. Default: false.
   */
  readonly worksBetween?: boolean;
}

/** For work that no request waits for. */
export const UNLIMITED: TransactionOptions = { statementTimeout: 0, lockTimeout: 0 };

/** The statements that a transaction begins with: they go out with BEGIN. */
export type OpeningStatements<Opened> = (manager: EntityManager) => StatementBatch<Opened>;

/** The work of a transaction. `opened` is the result of its opening statements. */
export type TransactionWork<Result, Opened = undefined> = (
  manager: EntityManager,
  opened: Opened,
) => Promise<Result | ClosingStatements<Result>>;

/** The statements at the end of a transaction, and its result. */
export class ClosingStatements<Result> {
  constructor(
    readonly statements: {
      /** The last reads; they go out with COMMIT. */
      readonly reads: StatementBatch<Result>;
      /** The last writes, behind the reads. Default: none. */
      readonly writes?: readonly SqlStatement[];
      /**
       * They go out behind COMMIT, as a transaction of their own. Of the settings it has the session's: it must not
       * write times or floating-point numbers as text. Default: none.
       */
      readonly afterCommit?: readonly SqlStatement[];
      /** Completes the result by the rows of the statements behind COMMIT. Default: the result as it is. */
      readonly complete?: (result: Result, rows: readonly Rows[]) => Result;
    },
  ) {}
}

/**
 * Runs one transaction on a connection of the host's pool: `read` sees one snapshot throughout, `write` is READ
 * COMMITTED. Settings are local to it, so that the host's own queries on the connection are not affected.
 * @throws SynchroError `temporarily_unavailable` when the connection broke between two statements
 */
export function inTransaction<Result>(
  dataSource: DataSource,
  kind: TransactionKind,
  work: TransactionWork<Result>,
  options: TransactionOptions = {},
): Promise<Result> {
  return openedTransaction(dataSource, kind, NO_OPENING, work, options);
}

export const NO_OPENING: OpeningStatements<undefined> = () => StatementBatch.of(undefined);

/** The same with statements that go out with BEGIN. */
export async function openedTransaction<Result, Opened>(
  dataSource: DataSource,
  kind: TransactionKind,
  opening: OpeningStatements<Opened>,
  work: TransactionWork<Result, Opened>,
  options: TransactionOptions = {},
): Promise<Result> {
  const { statementTimeout = null, lockTimeout = null, worksBetween = false } = options;
  return onConnection(dataSource, options.keepsPlans, async (runner) => {
    const { manager } = runner;
    try {
      const settings = SETTINGS.bind(manager, [statementTimeout, lockTimeout, idleTimeout(worksBetween)]);
      const { opened } = await StatementBatch.together({
        begin: StatementBatch.silent([{ sql: BEGIN[kind] }, settings]),
        opened: opening(manager),
      }).run(manager);
      const done = await work(manager, opened);
      const { reads, writes = [], afterCommit = [], complete } = closingOf(done).statements;
      const { result, after } = await StatementBatch.together({
        result: reads,
        end: StatementBatch.silent([...writes, COMMIT]),
        after: StatementBatch.each(alongside(afterCommit)),
      }).run(manager);
      // Without BEGIN and COMMIT.
      return complete ? complete(result, after.slice(1, -1)) : result;
    } catch (error) {
      await rollBack(runner);
      throw error;
    }
  });
}

function closingOf<Result>(done: Result | ClosingStatements<Result>): ClosingStatements<Result> {
  return done instanceof ClosingStatements ? done : new ClosingStatements({ reads: StatementBatch.of(done) });
}

/** A failed ROLLBACK means a dead connection, which rolls back by itself: the first error is the one to throw. */
async function rollBack(runner: QueryRunner): Promise<void> {
  if (!runner.isReleased) await runner.query('ROLLBACK').catch(() => undefined);
}

const COMMIT = { sql: 'COMMIT' };

/** Statements as a transaction that may write, whatever the session's default. */
function alongside(statements: readonly SqlStatement[]): readonly SqlStatement[] {
  return statements.length === 0 ? [] : [{ sql: BEGIN.write }, ...statements, COMMIT];
}

/**
 * Runs statements as one transaction, all in a single round trip. Of the settings it has the session's, as
 * what goes out behind COMMIT (see {@link ClosingStatements}).
 */
export async function writeTogether(
  dataSource: DataSource,
  statements: readonly SqlStatement[],
): Promise<void> {
  if (statements.length === 0) return;
  await onConnection(dataSource, false, async (runner) => {
    try {
      await pipelined(runner.manager, alongside(statements));
    } catch (error) {
      await rollBack(runner);
      throw error;
    }
  });
}

/**
 * Runs one statement on a connection of the host's pool, in a transaction of its own, and so within one snapshot. The
 * session's settings are the host's: it must not write times or floating-point numbers as text.
 * @throws SynchroError `temporarily_unavailable` when the connection broke
 */
export function singleStatement<Result>(
  dataSource: DataSource,
  work: (manager: EntityManager) => Promise<Result>,
  { keepsPlans }: Pick<TransactionOptions, 'keepsPlans'> = {},
): Promise<Result> {
  return onConnection(dataSource, keepsPlans, ({ manager }) => work(manager));
}

async function onConnection<Result>(
  dataSource: DataSource,
  keepsPlans: boolean | undefined,
  work: (runner: QueryRunner) => Promise<Result>,
): Promise<Result> {
  const runner = dataSource.createQueryRunner();
  try {
    await runner.connect();
    qualifyOn(runner);
    keepOutOfLog(runner);
    if (keepsPlans === true) keepPlans(runner);
    try {
      return await work(runner);
    } catch (error) {
      // TypeORM gives a connection back by itself when it breaks, and says no more than that it is gone.
      const isTold = isTransient(error) || error instanceof SynchroError;
      if (runner.isReleased && !isTold) throw connectionLost(error);
      throw error;
    }
  } finally {
    await runner.release();
  }
}

function connectionLost(cause: unknown): SynchroError {
  return new SynchroError('temporarily_unavailable', 'the connection to the database broke', undefined, {
    cause,
  });
}

/** Longest time, in milliseconds, between two statements of a transaction that the WAL consumer may have to wait for. */
const MAX_IDLE_MS = 5_000;

/**
 * Lets the server end this transaction, and so let go of its locks, when its process gives no sign of life: frozen, or
 * cut off without the server's knowing, it would keep the WAL consumer of any instance waiting.
 */
export async function limitIdleTime(manager: EntityManager): Promise<void> {
  await manager.query(`SELECT set_config('idle_in_transaction_session_timeout', $1, true)`, [
    String(MAX_IDLE_MS),
  ]);
}
