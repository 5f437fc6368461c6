import { createHash } from 'node:crypto';
import { type EntityManager, QueryFailedError, type QueryRunner } from 'typeorm';
import type { Statement as PipelinedStatement } from './pipeline.js';

const keeping = new WeakSet<QueryRunner>();

/** From here on the runner's connection keeps the plans of each {@link Statement}. */
export function keepPlans(runner: QueryRunner): void {
  keeping.add(runner);
}

/**
 * A statement that is run often with the same text: a connection that keeps its plan parses and plans it once, which
 * takes longer than the rest where little is read. It keeps it for as long as it lives, so there have to be few of them.
 */
export class Statement<Row> {
  /** By the text: behind a pooler, processes of several versions share a connection. */
  private readonly name: string;

  constructor(private readonly sql: string) {
    const hash = createHash('sha256').update(sql).digest('base64url');
    this.name = `synchro_${hash.slice(0, 22)}`;
  }

  /** The same for {@link pipelined}. */
  bind(manager: EntityManager, parameters: readonly unknown[]): PipelinedStatement {
    const { queryRunner: runner } = manager;
    const { sql, name } = this;
    return runner && keeping.has(runner) ? { sql, parameters, name } : { sql, parameters };
  }

  /** As `manager.query` does it, whose place it takes, as TypeORM knows no names. */
  async run(manager: EntityManager, values: unknown[]): Promise<Row[]> {
    const { queryRunner: runner } = manager;
    if (!runner || runner.isReleased || !keeping.has(runner)) return manager.query(this.sql, values);
    const { logger, options } = manager.dataSource;
    const client: PostgresClient = await runner.connect();
    logger.logQuery(this.sql, values, runner);
    const began = performance.now();
    try {
      const { rows } = await client.query({ name: this.name, text: this.sql, values });
      const took = performance.now() - began;
      const { maxQueryExecutionTime: slow = 0 } = options;
      if (slow > 0 && took > slow) logger.logQuerySlow(took, this.sql, values, runner);
      return rows as Row[];
    } catch (cause) {
      const error = cause instanceof Error ? cause : new Error(String(cause));
      logger.logQueryError(error, this.sql, values, runner);
      throw new QueryFailedError(this.sql, values, error);
    }
  }
}

/** So many texts at most are kept of those that are made as they are needed: devices decide which columns they send. */
const MOST_KEPT = 100;
const KEPT = new Map<string, Statement<unknown>>();

/** A statement whose text is the same again and again, as one whose plan connections keep. */
export function kept(manager: EntityManager, statement: PipelinedStatement): PipelinedStatement {
  const { sql, parameters = [] } = statement;
  let known = KEPT.get(sql);
  if (!known) {
    if (KEPT.size >= MOST_KEPT) return statement;
    known = new Statement(sql);
    KEPT.set(sql, known);
  }
  return known.bind(manager, parameters);
}

/** As much of pg's client as is needed here. */
interface PostgresClient {
  query(statement: {
    readonly name: string;
    readonly text: string;
    readonly values: unknown[];
  }): Promise<{ readonly rows: unknown[] }>;
}
