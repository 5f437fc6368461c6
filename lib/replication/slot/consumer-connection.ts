import { Client, type ClientConfig, type QueryConfig } from 'pg';
import { CONNECT_TIMEOUT_MS } from '../../database/connection-config.js';
import { ENCODING_SQL } from '../../database/session.js';
import { OWN_SETTINGS, unlimitedSql } from '../../database/session-settings.js';
import { qualify } from '../../database/sync-schema.js';

/** As {@link consumerConnection} makes it. */
export interface ConsumerConfig extends ClientConfig {
  /** Of the sync tables. */
  readonly schema: string;
}

/** The consumer's connections: values as text in one form, and no limit that is meant for requests. */
export function consumerConnection(
  connection: ClientConfig,
  walSenderTimeout: number,
  schema: string,
): ConsumerConfig {
  const settings = {
    ...OWN_SETTINGS,
    wal_sender_timeout: `${walSenderTimeout}ms`,
    // Rows that a policy hides would be missing from the edges without a word: such a query fails (W-WAL-7).
    row_security: 'off',
  };
  const ours = Object.entries(settings).map(([name, value]) => `-c ${name}=${escapeOption(value)}`);
  const { options, ...given } = withOptionsOfUrl(connection);
  return {
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    ...given,
    application_name: 'nestjs-synchro',
    options: [options ?? '', ...ours].join(' ').trim(),
    statement_timeout: false,
    lock_timeout: 0,
    idle_in_transaction_session_timeout: 0,
    query_timeout: 0,
    schema,
  };
}

/**
 * Connects. The limit of PostgreSQL 17 for whole transactions is lifted here, as older servers refuse a connection that names
 * it; it holds for a walsender, too, which decodes each transaction within one of its own.
 */
export async function connectConsumer(config: ConsumerConfig): Promise<Client> {
  const client = new ConsumerClient(config);
  client.on('error', () => undefined); // the query in flight, or the next one, reports it
  try {
    await client.connect();
    await liftTransactionLimit(client);
    return client;
  } catch (error) {
    await client.end().catch(() => undefined); // it may not have begun
    throw error;
  }
}

/** Runs work on a connection that is closed behind it. @param connection a {@link consumerConnection} */
export async function withConsumer<Result>(
  connection: ConsumerConfig,
  work: (client: Client) => Promise<Result>,
): Promise<Result> {
  const client = await connectConsumer(connection);
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

/** The part of {@link connectConsumer} behind connecting. */
export async function liftTransactionLimit(client: Client): Promise<void> {
  await client.query(`SELECT ${unlimitedSql({ local: false })}`);
  await client.query(ENCODING_SQL);
}

/** Takes statements with `:sync`. */
export class ConsumerClient extends Client {
  constructor({ schema, ...config }: ConsumerConfig) {
    super(config);
    const query = this.query.bind(this) as (statement: unknown, ...rest: unknown[]) => unknown;
    const withSchema = (statement: unknown): unknown => {
      if (typeof statement === 'string') return qualify(statement, schema);
      return isQueryConfig(statement) ? { ...statement, text: qualify(statement.text, schema) } : statement;
    };
    this.query = ((statement: unknown, ...rest: unknown[]) =>
      query(withSchema(statement), ...rest)) as Client['query'];
  }
}

/** Not what sends itself, as a cursor or a COPY does. */
function isQueryConfig(statement: unknown): statement is QueryConfig {
  return typeof statement === 'object' && statement !== null && !('submit' in statement);
}

/** In `options`, a space would end the value. */
function escapeOption(value: string): string {
  return value.replaceAll(/[\s\\]/g, String.raw`\$&`);
}

/** For pg a URL's parameters win: those that would take the place of ours are taken out of it. */
function withOptionsOfUrl(connection: ClientConfig): ClientConfig {
  const { connectionString } = connection;
  if (connectionString === undefined || !URL.canParse(connectionString)) return connection;
  const url = new URL(connectionString);
  const options = url.searchParams.get('options') ?? connection.options;
  for (const name of OURS_ALONE) url.searchParams.delete(name);
  return { ...connection, connectionString: url.href, ...(options !== undefined && { options }) };
}

/** Parameters of a URL that would take the place of what is set here. */
const OURS_ALONE = [
  'options',
  'application_name',
  'statement_timeout',
  'lock_timeout',
  'idle_in_transaction_session_timeout',
  'query_timeout',
];
