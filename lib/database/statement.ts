import { createHash } from 'node:crypto';
import { type EntityManager, QueryFailedError, type QueryRunner } from 'typeorm';
import type { SqlStatement } from './pipeline.js';
import { loggerOf } from './query-log/query-log.js';
import { qualify, syncSchema } from './sync-schema.js';
import { dataSourceOf } from './typeorm-versions.js';

const keeping = new WeakSet<QueryRunner>();

/** From here on the runner's connection keeps the plans of each {@link PreparedStatement}. */
export function keepPlans(runner: QueryRunner): void {
  keeping.add(runner);
}

/**
 * A statement that is run often with the same text: a connection that keeps its plan parses and plans it once, which
 * takes longer than the rest where little is read. It keeps it for as long as it lives, so there have to be few of them.
 */
export class PreparedStatement<Row> {
  /** For each schema of sync tables: two apps in one process may have two. */
  private readonly prepared = new Map<string, PreparedText>();

  constructor(private readonly text: string) {}

  private forSchema(schema: string): PreparedText {
    const known = this.prepared.get(schema);
    if (known) return known;
    const sql = qualify(this.text, schema);
    // By the text: behind a pooler, processes of several versions share a connection.
    const hash = createHash('sha256').update(sql).digest('base64url');
    const prepared = { sql, name: `synchro_${hash.slice(0, 22)}` };
    this.prepared.set(schema, prepared);
    return prepared;
  }

  /** The same for {@link pipelined}. */
  bind(manager: EntityManager, parameters: readonly unknown[]): SqlStatement {
    const { queryRunner: runner } = manager;
    const { sql, name } = this.forSchema(syncSchema(dataSourceOf(manager)));
    return runner && keeping.has(runner) ? { sql, parameters, name } : { sql, parameters };
  }

  /** As `manager.query` does it, whose place it takes, as TypeORM knows no names. */
  async run(manager: EntityManager, values: unknown[]): Promise<Row[]> {
    const { queryRunner: runner } = manager;
    const { sql, name } = this.forSchema(syncSchema(dataSourceOf(manager)));
    if (!runner || runner.isReleased || !keeping.has(runner)) return manager.query(sql, values);
    const { options } = dataSourceOf(manager);
    const logger = loggerOf(runner);
    const client: PostgresClient = await runner.connect();
    logger.logQuery(sql, values, runner);
    const began = performance.now();
    try {
      const { rows } = await client.query({ name, text: sql, values });
      const took = performance.now() - began;
      const { maxQueryExecutionTime: slow = 0 } = options;
      if (slow > 0 && took > slow) logger.logQuerySlow(took, sql, values, runner);
      return rows as Row[];
    } catch (cause) {
      const error = cause instanceof Error ? cause : new Error(String(cause));
      logger.logQueryError(error, sql, values, runner);
      throw new QueryFailedError(sql, values, error);
    }
  }
}

/** So many texts at most are kept of those that are made as they are needed: devices decide which columns they send. */
const MOST_KEPT = 100;
const KEPT = new Map<string, PreparedStatement<unknown>>();

/** A statement whose text is the same again and again, as one whose plan connections keep. */
export function prepared(manager: EntityManager, statement: SqlStatement): SqlStatement {
  const { sql, parameters = [] } = statement;
  let known = KEPT.get(sql);
  if (!known) {
    if (KEPT.size >= MOST_KEPT) return statement;
    known = new PreparedStatement(sql);
    KEPT.set(sql, known);
  }
  return known.bind(manager, parameters);
}

interface PreparedText {
  readonly sql: string;
  readonly name: string;
}

/** As much of pg's client as is needed here. */
interface PostgresClient {
  query(statement: {
    readonly name: string;
    readonly text: string;
    readonly values: unknown[];
  }): Promise<{ readonly rows: unknown[] }>;
}
