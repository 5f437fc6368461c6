import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { DataSource } from 'typeorm';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ReplicationStream } from '../../lib/replication/stream/replication-stream.js';
import { outliveNewConnections } from '../../lib/database/pool.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { eventually } from '../support/wait.js';

/** What the server says when it takes queries: ReadyForQuery, outside a transaction. */
const READY = Buffer.from([0x5a, 0, 0, 0, 5, 0x49]);

/** A way to the server on which its first ReadyForQuery arrives together with all that comes after it, once that ends. */
class LateReady {
  readonly ready: Promise<void>;
  /** Connections that are made from now on. Default: all. */
  isLate = true;
  private readonly clients = new Set<Socket>();
  private said: () => void = () => undefined;
  private readonly server: Server;

  constructor(private readonly url: string) {
    this.ready = new Promise((resolve) => (this.said = resolve));
    this.server = createServer((client) => {
      const target = connect(Number(new URL(this.url).port), '127.0.0.1');
      const held: Buffer[] = [];
      this.clients.add(client);
      const { isLate } = this;
      client.on('error', () => target.destroy()).pipe(target);
      target.on('error', () => client.destroy());
      client.on('close', () => target.destroy());
      target.on('data', (chunk) => {
        if (!isLate || (held.length === 0 && !chunk.includes(READY))) {
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
    const closed = new Promise((resolve) => this.server.close(resolve));
    for (const client of this.clients) client.destroy();
    await closed;
  }
}

describe('a connection that is terminated as soon as it is there', () => {
  let database: TestDatabase;
  let way: LateReady;
  /** Of the connections in question. */
  let name: string;

  beforeEach(async () => {
    database = await createDatabase();
    name = database.slotName;
    way = new LateReady(database.url);
  });

  afterEach(async () => {
    await way.close();
    await database.drop();
  });

  async function terminate(): Promise<void> {
    await eventually(async () => {
      const left = await database.query(
        'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1',
        [name],
      );
      return left.length === 0;
    });
  }

  it('ends the replication stream, and not the process', async () => {
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
    await terminate();
    await refused;
  });

  it('fails what is asked of it on the host’s pool, and does not end the process', async () => {
    way.isLate = false;
    const url = await way.listen();
    const dataSource = new DataSource({ type: 'postgres', url, applicationName: name });
    await dataSource.initialize();
    try {
      outliveNewConnections(dataSource);
      await terminate();
      way.isLate = true;
      const refused = expect(dataSource.query('SELECT 1')).rejects.toThrow('connection error');
      await way.ready;
      await terminate();
      await refused;
    } finally {
      await dataSource.destroy();
    }
  });
});
