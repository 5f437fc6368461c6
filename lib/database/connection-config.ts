import type { ClientConfig } from 'pg';
import type { DataSource } from 'typeorm';
import { SynchroError } from '../common/errors.js';

/** The time to connect, milliseconds. By default pg waits for ever for a server that accepts and says nothing more. */
export const CONNECT_TIMEOUT_MS = 10_000;

/**
 * The pg connection that a TypeORM DataSource uses, for connections of our own; with read replicas, its primary.
 * @throws SynchroError when the DataSource isn't a PostgreSQL one
 */
export function connectionConfig(dataSource: DataSource): ClientConfig {
  const { options } = dataSource;
  if (options.type !== 'postgres') {
    throw new SynchroError(
      'configuration_invalid',
      `the DataSource is of type ${options.type}; sync needs postgres`,
    );
  }
  const master = options.replication?.master;
  const { url, host, port, username, password, database, ssl } = { ...options, ...master };
  const { connectTimeoutMS = CONNECT_TIMEOUT_MS } = options;
  const extra = (options.extra ?? {}) as ClientConfig;
  return {
    connectionTimeoutMillis: connectTimeoutMS,
    ...extra,
    ...(url !== undefined && { connectionString: url }),
    ...(host !== undefined && { host }),
    ...(port !== undefined && { port }),
    ...(username !== undefined && { user: username }),
    ...(password !== undefined && { password }),
    ...(database !== undefined && { database }),
    // TypeORM types it after Node's server options, and hands it to pg as it is.
    ...(ssl !== undefined && { ssl: ssl as ClientConfig['ssl'] }),
  };
}

/** The database that a DataSource is connected to: TypeORM's driver knows it once it is initialised. */
export function databaseName({ driver }: Pick<DataSource, 'driver'>): string {
  if (driver.database !== undefined) return driver.database;
  throw new TypeError('the DataSource does not say which database it is connected to: initialise it first');
}
