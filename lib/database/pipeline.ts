import { Query, type Connection, type QueryConfig, type ResultBuilder, type Submittable } from 'pg';
import { QueryFailedError, type EntityManager, type QueryRunner } from 'typeorm';
import { qualify, syncSchema } from './sync-schema.js';

/** One statement and its parameters. */
export interface SqlStatement {
  readonly sql: string;
  readonly parameters?: readonly unknown[];
  /** By which the connection keeps its plan (see `statement.ts`). Default: it doesn't. */
  readonly name?: string;
}

/** The rows of one statement. */
export type Rows = readonly unknown[];

/** Statements that go out together, and what their rows come to. */
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

/**
 * Runs statements of a transaction one after the other in a single round trip: the server gets them all before it
 * answers the first one. Each sees what was committed before it began, as if it had come alone. When one fails, those
 * after it are not run.
 *
 * Clients that don't speak the protocol through `pg`'s own messages get the statements one by one.
 *
 * @returns the rows of each statement
 * @throws QueryFailedError
 */
export async function pipelined(
  manager: EntityManager,
  statements: readonly SqlStatement[],
): Promise<readonly Rows[]> {
  const runner = manager.queryRunner;
  const client: unknown = runner && !runner.isReleased ? await runner.connect() : null;
  const gains = statements.length > 1 || statements[0]?.name !== undefined;
  if (gains && runner && isPipelining(client)) {
    const schema = syncSchema(manager.dataSource);
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

/** What of `pg`'s client this is about. */
interface PipeliningClient {
  query(submittable: Submittable): unknown;
}

/** Not the native client, and none in the driver's own pipeline mode, which refuses others' ways with the protocol. */
function isPipelining(client: unknown): client is PipeliningClient {
  if (typeof client !== 'object' || client === null) return false;
  const { connection, pipeline } = client as { connection?: Partial<Connection> | null; pipeline?: unknown };
  return typeof connection?.sync === 'function' && pipeline !== true;
}

/** As TypeORM does with a single statement: what is sent is logged, and an error names what failed. */
function send(
  client: PipeliningClient,
  statements: readonly SqlStatement[],
  runner: QueryRunner,
): Promise<readonly Rows[]> {
  const { logger } = runner.manager.dataSource;
  for (const { sql, parameters } of statements) logger.logQuery(sql, parameters && [...parameters], runner);
  return new Promise((resolve, reject) => {
    const fail = (error: Error, { sql, parameters }: SqlStatement): void => {
      const values = parameters && [...parameters];
      logger.logQueryError(error, sql, values, runner);
      reject(new QueryFailedError(sql, values, error));
    };
    client.query(new Pipeline(statements, resolve, fail));
  });
}

/** What `pg`'s client notes of the statements that the server has by name, or has been sent. */
interface NamedStatements {
  readonly submittedNamedStatements: Record<string, string>;
}

/** The part of `pg`'s `Query` by which its client hands on what the server answers. */
interface Answered extends Submittable {
  readonly name?: string;
  readonly text?: string;
  handleRowDescription(message: unknown): void;
  handleDataRow(message: unknown): void;
  handleCommandComplete(message: unknown, connection: Connection): void;
  handleError(error: Error, connection: Connection): void;
  handleReadyForQuery(connection: Connection): void;
}

/** To `pg`'s client, one query: the messages of all of them, and a single Sync. */
class Pipeline implements Answered {
  private readonly queries: readonly Answered[];
  private readonly results: Rows[] = [];
  private current = 0;

  constructor(
    private readonly statements: readonly SqlStatement[],
    private readonly done: (results: readonly Rows[]) => void,
    private readonly failed: (error: Error, statement: SqlStatement) => void,
  ) {
    this.queries = statements.map(({ sql, parameters = [], name }, index) => {
      // Statements without parameters would go by the simple protocol, which syncs by itself.
      const config = { name, text: sql, values: [...parameters], queryMode: 'extended' } as QueryConfig;
      const query: Submittable = new Query(config, undefined, (error, result) => {
        this.complete(index, error, result);
      });
      return query as Answered;
    });
  }

  /** Of the statement at hand: the client notes that the server has it. */
  get name(): string | undefined {
    return this.queries[this.current]?.name;
  }

  get text(): string | undefined {
    return this.queries[this.current]?.text;
  }

  submit(connection: Connection): void {
    const unsynced = Object.create(connection, { sync: { value: () => undefined } }) as Connection;
    connection.stream.cork();
    for (const query of this.queries) query.submit(unsynced);
    connection.sync();
    connection.stream.uncork();
  }

  handleRowDescription(message: unknown): void {
    this.queries[this.current]?.handleRowDescription(message);
  }

  handleDataRow(message: unknown): void {
    this.queries[this.current]?.handleDataRow(message);
  }

  handleCommandComplete(message: unknown, connection: Connection): void {
    this.queries[this.current]?.handleCommandComplete(message, connection);
    this.current += 1;
  }

  handleError(error: Error, connection: Connection): void {
    // The server passes over what comes behind it.
    const { submittedNamedStatements } = connection as Connection & Partial<NamedStatements>;
    for (const { name } of this.queries.slice(this.current))
      if (name !== undefined) delete submittedNamedStatements?.[name];
    this.complete(this.current, error);
  }

  handleReadyForQuery(connection: Connection): void {
    for (const query of this.queries) query.handleReadyForQuery(connection);
    this.done(this.results);
  }

  private complete(index: number, error: Error | null | undefined, result?: ResultBuilder): void {
    const [last = { sql: '' }] = this.statements.slice(-1);
    if (error) this.failed(error, this.statements[index] ?? last);
    else this.results[index] = result?.rows ?? [];
  }
}
