import { Client, type ClientConfig, type Connection } from 'pg';
import { parseLsn } from '../../lib/common/lsn.js';

/** A synchronous standby that has received and flushed everything at once, and applies only when told to. */
export interface Standby {
  /** Applies what it has, and from now on everything: transactions that waited for it become visible. */
  apply(): void;
  close(): Promise<void>;
}

type Wire = Connection & { sendCopyFromChunk(chunk: Buffer): void };

const WAL_DATA = 0x77; // 'w'
const STATUS = 0x72; // 'r'

/** @param name as in `synchronous_standby_names` */
export async function startStandby(serverUrl: string, name: string): Promise<Standby> {
  const config: ClientConfig & { replication: string } = {
    connectionString: serverUrl,
    application_name: name,
    replication: 'true',
  };
  const client = new Client(config);
  client.on('error', () => {});
  await client.connect();
  const { rows } = await client.query<{ xlogpos: string }>('IDENTIFY_SYSTEM');
  const { connection } = client as unknown as { connection: Wire };
  const start = rows[0]?.xlogpos ?? '';
  let received = parseLsn(start);
  let applies = false;

  const report = (): void => {
    const status = Buffer.alloc(1 + 4 * 8 + 1);
    status.writeUInt8(STATUS, 0);
    status.writeBigUInt64BE(received, 1); // written
    status.writeBigUInt64BE(received, 9); // flushed
    status.writeBigUInt64BE(applies ? received : 0n, 17);
    connection.sendCopyFromChunk(status);
  };
  connection.on('copyData', ({ chunk }: { chunk: Buffer }) => {
    if (chunk[0] === WAL_DATA) received = chunk.readBigUInt64BE(1) + BigInt(chunk.length - 25);
    else if (chunk.readBigUInt64BE(1) > received) received = chunk.readBigUInt64BE(1);
    report();
  });
  // Until it has told a flushed position it doesn't count as a standby.
  connection.once('replicationStart', report);
  client.query(`START_REPLICATION PHYSICAL ${start}`).catch(() => undefined); // ends with the connection
  return {
    apply: () => {
      applies = true;
      report();
    },
    close: () => client.end(),
  };
}
