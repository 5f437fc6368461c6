import type { DataSource, EntityManager, QueryRunner } from 'typeorm';
import { SynchroError } from '../common/errors.js';
import { quoteIdentifier } from '../common/identifiers.js';
import { dataSourceOf, type HasDataSource } from './typeorm-versions.js';

/**
 * In sync's own SQL, `:sync` stands for the schema of the sync tables, quoted, as in `FROM :sync.sync_clients`. It is put in where
 * statements are sent, so no search path decides which tables are meant: not a role's, and not one that the host left
 * on a pooled connection. The host's triggers, policies and hooks keep theirs.
 */
const MARK = /('?)(?<!:):sync\b/g;

/** The statement with the schema in it, also as the beginning of a string literal (`to_regclass(':sync.sync_clients')`). */
export function qualify(sql: string, schema: string): string {
  if (!sql.includes(':sync')) return sql;
  const name = quoteIdentifier(schema);
  return sql.replaceAll(MARK, (_, quote: string) =>
    quote === '' ? name : `${quote}${name.replaceAll("'", "''")}`,
  );
}

/** Statements as a tool runs them that has a search path of its own. */
export function unqualified(sql: string): string {
  return sql.replaceAll(/(?<!:):sync\./g, '');
}

/**
 * The schema of the sync tables, and of entities that name none: the DataSource's option `schema`, or else the first of the
 * search path with which TypeORM has connected (`current_schema()`). It stays the same for as long as the DataSource does.
 * @param dataSource an initialised one
 * @throws SynchroError `configuration_invalid` where there is none
 */
export function syncSchema(dataSource: DataSource): string {
  const { schema } = dataSource.driver;
  if (schema) return schema;
  throw new SynchroError(
    'configuration_invalid',
    "there is no schema for the sync tables: the DataSource names none, and its role's search_path has none that is there",
    "set the option schema of the DataSource, e.g. schema: 'public', or: ALTER ROLE … SET search_path = public;",
  );
}

/** From here on a runner of sync's own takes statements with `:sync`. */
export function qualifyOn(runner: QueryRunner): void {
  const schema = syncSchema(dataSourceOf(runner.manager));
  const query = runner.query.bind(runner) as (sql: string, ...rest: unknown[]) => Promise<unknown>;
  runner.query = ((sql: string, ...rest: unknown[]) =>
    query(qualify(sql, schema), ...rest)) as QueryRunner['query'];
}

/** Runs sync's statements in a transaction of the host's. */
export function qualified(manager: EntityManager): Pick<EntityManager, 'query'> & HasDataSource {
  const schema = syncSchema(dataSourceOf(manager));
  return {
    dataSource: dataSourceOf(manager),
    query: (sql: string, parameters?: unknown[]) => manager.query(qualify(sql, schema), parameters),
  };
}
