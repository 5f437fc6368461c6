import { connect, createServer, type AddressInfo, type Server } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ReplicationStream } from '../lib/replication/replication-stream.js';
import { createDatabase, type TestDatabase } from './support/database.js';

/** What the server says when it takes queries: ReadyForQuery, outside a transaction. */
const READY = Buffer.from([0x5a, 0, 0, 0, 5, 0x49]);

/** A way to the server on which its first ReadyForQuery arrives together with all that comes after it, once that ends. */
class LateReady {
  readonly ready: Promise<void>;
  private said: () => void = () => undefined;
  private readonly server: Server;

  constructor(private readonly url: string) {
    this.ready = new Promise((resolve) => (this.said = resolve));
    this.server = createServer((client) => {
      const target = connect(Number(new URL(this.url).port), '127.0.0.1');
      const held: Buffer[] = [];
      client.on('error', () => target.destroy()).pipe(target);
      target.on('error', () => client.destroy());
      target.on('data', (chunk) => {
        if (held.length === 0 && !chunk.includes(READY)) {
          client.write(chunk);
          return;
        }
        held.push(chunk);
        this.said();
      });
      target.on('end', () => client.end(Buffer.concat(held)));
    });
  }

  async listen(): Promise<string> {
    await new Promise<void>((resolve) => this.server.listen(0, '127.0.0.1', resolve));
    const url = new URL(this.url);
    url.port = String((this.server.address() as AddressInfo).port);
    return url.href;
  }

  async close(): Promise<void> {
    await new Promise((resolve) => this.server.close(resolve));
  }
}

describe('a replication connection', () => {
  let database: TestDatabase;
  let way: LateReady;

  beforeEach(async () => {
    database = await createDatabase();
    way = new LateReady(database.url);
  });

  afterEach(async () => {
    await way.close();
    await database.drop();
  });

  it('that is terminated as soon as it is there ends the stream, and not the process', async () => {
    const name = database.slotName;
    const opened = ReplicationStream.open({
      connection: { connectionString: await way.listen(), application_name: name },
      slotName: name,
      publicationName: database.publicationName,
      start: 0n,
      columns: () => 'all',
      onSilence: () => undefined,
      walSenderTimeout: 10_000,
    });
    const refused = expect(opened).rejects.toThrow('terminating connection due to administrator command');
    await way.ready;
    await database.query(
      'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1',
      [name],
    );
    await refused;
  });
});
