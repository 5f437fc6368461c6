import { describeError } from '../../common/describe-error.js';
import { errorCode } from '../../database/database-error.js';
import type { SynchroProblem } from '../../common/errors.js';
import { withConsumer, type ConsumerConfig } from './consumer-connection.js';
import { identifySystem } from './slot.js';

/** A pooler that takes no parameters of a session: `unsupported startup parameter`. */
const PROTOCOL_VIOLATION = '08P01';
/** Errors of an ordinary connection for a replication command: the pooler has dropped the `replication` parameter. */
const SYNTAX_ERROR = '42601';

/**
 * Checks for a connection pooler on the consumer's way. The consumer holds a slot, a snapshot and a transaction for
 * long, each in a session with settings of its own: a pooler refuses or loses these.
 * @param connection as the consumer uses it
 * @returns none for any other failure: the consumer reports that one itself
 */
export async function poolerProblems(connection: ConsumerConfig): Promise<readonly SynchroProblem[]> {
  const why = (await settingsLost(connection)) ?? (await replicationRefused(connection));
  if (why === null) return [];
  return [
    {
      code: 'configuration_invalid',
      entity: 'SynchroModule',
      option: 'replication.connection',
      message: `the WAL consumer's connection goes through a connection pooler, as it seems: ${why}`,
      fix: 'give replication.connection the address of PostgreSQL itself, past the pooler; the DataSource may stay behind it',
    },
  ];
}

async function settingsLost(connection: ConsumerConfig): Promise<string | null> {
  try {
    const { rows } = await withConsumer(connection, (client) =>
      client.query<{ kept: boolean }>(`SELECT current_setting('row_security') = 'off' AS kept`),
    );
    return rows[0]?.kept === false ? 'it loses the settings that the consumer asks for (options)' : null;
  } catch (error) {
    if (errorCode(error) !== PROTOCOL_VIOLATION) throw error;
    return describeError(error);
  }
}

async function replicationRefused(connection: ConsumerConfig): Promise<string | null> {
  try {
    await identifySystem(connection);
    return null;
  } catch (error) {
    const code = errorCode(error);
    if (code === PROTOCOL_VIOLATION) return describeError(error);
    if (code === SYNTAX_ERROR) return 'it gives no replication connections';
    // Other checks, and the consumer itself, report a missing right or walsender.
    return null;
  }
}
