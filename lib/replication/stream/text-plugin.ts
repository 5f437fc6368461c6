import type { Client } from 'pg';
import { quoteIdentifier } from '../../common/identifiers.js';
import { receiveCopyData } from '../../database/pg-internals.js';
import { liftTransactionLimit } from '../slot/consumer-connection.js';

/**
 * Starts pgoutput, and takes what the server sends from the connection itself: PLR would make two texts, two events and
 * a promise of each message, a tenth of what a row costs that is alone in its transaction.
 */
export class TextPlugin {
  readonly name = 'pgoutput';
  readonly options = {};

  constructor(
    private readonly publicationName: string,
    private readonly receive: (copied: Buffer) => void,
  ) {}

  async start(client: Client, slotName: string, lsn: string): Promise<unknown> {
    await liftTransactionLimit(client);
    receiveCopyData(client, this.receive);
    // A replication command's string: a quote is doubled, and a backslash is nothing else.
    const publication = `'${quoteIdentifier(this.publicationName).replaceAll("'", "''")}'`;
    return client.query(
      `START_REPLICATION SLOT ${quoteIdentifier(slotName)} LOGICAL ${lsn} (proto_version '1', publication_names ${publication})`,
    );
  }

  /** Never called. */
  parse(): never {
    throw new TypeError('messages are read from the connection');
  }
}
