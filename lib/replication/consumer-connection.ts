import { Client, type ClientConfig } from 'pg';
import { ENCODING_SQL, TEXT_SETTINGS } from '../store/session.js';

/** The consumer's connections: values as text in one form, and no limit that is meant for requests. */
export function consumerConnection(connection: ClientConfig, walSenderTimeout: number): ClientConfig {
  const settings = {
    ...TEXT_SETTINGS,
    DateStyle: 'ISO',
    wal_sender_timeout: `${walSenderTimeout}ms`,
    // A position that was acknowledged, and a seq that a device holds, must outlive a crash.
    synchronous_commit: 'on',
    // A batch takes as long as it takes: the host's limits are for its requests.
    statement_timeout: '0',
    lock_timeout: '0',
    // Rows that a policy hides would be missing from the edges without a word: such a query fails (W-WAL-7).
    row_security: 'off',
    idle_in_transaction_session_timeout: '0',
  };
  const ours = Object.entries(settings).map(([name, value]) => `-c ${name}=${value}`);
  const { options, ...given } = withOptionsOfUrl(connection);
  return {
    ...given,
    application_name: 'nestjs-synchro',
    options: [options ?? '', ...ours].join(' ').trim(),
    statement_timeout: false,
    query_timeout: 0,
  };
}

/**
 * A connection for the changelog.
 * @param onLost the next query reports why: without a listener a lost connection would end the process
 */
export async function connectConsumer(connection: ClientConfig, onLost: () => void): Promise<Client> {
  const client = new Client({ ...connection, pipeline: true });
  client.on('error', onLost);
  await client.connect();
  await client.query(ENCODING_SQL);
  return client;
}

/** For pg a URL's parameters win: those that would take the place of ours are taken out of it. */
function withOptionsOfUrl(connection: ClientConfig): ClientConfig {
  const { connectionString } = connection;
  if (connectionString === undefined || !URL.canParse(connectionString)) return connection;
  const url = new URL(connectionString);
  const options = url.searchParams.get('options') ?? connection.options;
  for (const name of ['options', 'application_name', 'statement_timeout', 'query_timeout'])
    url.searchParams.delete(name);
  return { ...connection, connectionString: url.href, ...(options !== undefined && { options }) };
}
