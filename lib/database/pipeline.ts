import { type DataSource, QueryFailedError, type EntityManager, type QueryRunner } from 'typeorm';
import { SynchroError } from '../common/errors.js';
import { writePgArray } from './pg-array-literal.js';
import { isPipelining, sendPipeline, type PipeliningClient } from './pg-internals.js';
import { loggerOf } from './query-log/query-log.js';
import { qualify, syncSchema } from './sync-schema.js';
import { dataSourceOf } from './typeorm-versions.js';

/** One statement and its parameters. */
export interface SqlStatement {
  readonly sql: string;
  readonly parameters?: readonly unknown[];
  /** By which the connection keeps its plan (see `statement.ts`). Default: it doesn't. */
  readonly name?: string;
}

/** The rows of one statement. */
export type Rows = readonly unknown[];

/** Statements that are sent together, and the result that is made of their rows. */
export class StatementBatch<Result> {
  constructor(
    readonly statements: readonly SqlStatement[],
    /** @param rows of each statement, in their order */
    readonly resultOf: (rows: readonly Rows[]) => Result,
  ) {}

  /** No statement: the result is known. */
  static of<Result>(result: Result): StatementBatch<Result> {
    return new StatementBatch([], () => result);
  }

  static single<Result>(statement: SqlStatement, resultOf: (rows: Rows) => Result): StatementBatch<Result> {
    return new StatementBatch([statement], ([rows = []]) => resultOf(rows));
  }

  /** Statements whose rows say nothing. */
  static silent(statements: readonly SqlStatement[]): StatementBatch<void> {
    return new StatementBatch(statements, () => undefined);
  }

  /** Statements whose rows are wanted as they are, of each. */
  static each(statements: readonly SqlStatement[]): StatementBatch<readonly Rows[]> {
    return new StatementBatch(statements, (rows) => rows);
  }

  /** Several batches as one, in the order of their names, under which it has their results. */
  static together<Results extends object>(parts: {
    readonly [Name in keyof Results]: StatementBatch<Results[Name]>;
  }): StatementBatch<Results> {
    const named = Object.entries<StatementBatch<unknown>>(parts);
    return new StatementBatch(
      named.flatMap(([, { statements }]) => statements),
      (rows) => {
        let taken = 0;
        const results = named.map(([name, { statements, resultOf }]) => {
          const own = rows.slice(taken, (taken += statements.length));
          return [name, resultOf(own)] as const;
        });
        return Object.fromEntries(results) as Results;
      },
    );
  }

  map<Other>(change: (result: Result) => Other): StatementBatch<Other> {
    return new StatementBatch(this.statements, (rows) => change(this.resultOf(rows)));
  }

  /** Runs it within a transaction, in one round trip. @throws QueryFailedError */
  async run(manager: EntityManager): Promise<Result> {
    return this.resultOf(await pipelined(manager, this.statements));
  }
}

const oneByOne = new WeakSet<DataSource>();

/** From here on {@link pipelined} sends statements of this DataSource one by one. */
export function stopPipelining(dataSource: DataSource): void {
  oneByOne.add(dataSource);
}

/**
 * Runs statements of a transaction one after the other in a single round trip: the server gets them all before it
 * answers the first one. Each sees what was committed before it began, as if it had come alone. When one fails, those
 * after it are not run.
 *
 * Clients that can't do that get the statements one by one (see `pg-internals.ts`).
 *
 * @returns the rows of each statement
 * @throws QueryFailedError
 * @throws SynchroError `temporarily_unavailable` when the answers don't match the statements in number
 */
export async function pipelined(
  manager: EntityManager,
  statements: readonly SqlStatement[],
): Promise<readonly Rows[]> {
  const runner = manager.queryRunner;
  const client: unknown = runner && !runner.isReleased ? await runner.connect() : null;
  const gains = statements.length > 1 || statements[0]?.name !== undefined;
  if (gains && runner && !oneByOne.has(dataSourceOf(manager)) && isPipelining(client)) {
    const schema = syncSchema(dataSourceOf(manager));
    const texts = statements.map((each) => ({ ...each, sql: qualify(each.sql, schema) }));
    return send(client, texts, runner);
  }
  const results: Rows[] = [];
  for (const { sql, parameters } of statements) {
    results.push(rowsOf(await manager.query(sql, parameters && [...parameters])));
  }
  return results;
}

/** TypeORM answers a bare UPDATE or DELETE with its rows and their number. */
function rowsOf(answer: unknown): Rows {
  if (!Array.isArray(answer)) return [];
  const [rows, count]: unknown[] = answer;
  return Array.isArray(rows) && typeof count === 'number' ? rows : answer;
}

/** Texts in an array as one text: `pg` takes its time with thousands. */
function asText(value: unknown): unknown {
  return Array.isArray(value) && value.every((each) => typeof each === 'string')
    ? writePgArray(value)
    : value;
}

/** As TypeORM does with a single statement: what is sent is logged, and an error names what failed. */
function send(
  client: PipeliningClient,
  statements: readonly SqlStatement[],
  runner: QueryRunner,
): Promise<readonly Rows[]> {
  const logger = loggerOf(runner);
  const sent = statements.map(({ sql, parameters = [], name }) => ({
    text: sql,
    values: parameters.map(asText),
    name,
  }));
  for (const { sql, parameters } of statements) logger.logQuery(sql, parameters && [...parameters], runner);
  return new Promise((resolve, reject) => {
    const failed = (error: Error, index: number): void => {
      const { sql = '', parameters } = statements[index] ?? {};
      const values = parameters && [...parameters];
      logger.logQueryError(error, sql, values, runner);
      reject(error instanceof SynchroError ? error : new QueryFailedError(sql, values, error));
    };
    sendPipeline(client, sent, resolve, failed);
  });
}
