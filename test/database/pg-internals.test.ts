import { createRequire } from 'node:module';
import path from 'node:path';
import type pg from 'pg';
import { DataSource } from 'typeorm';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { SyncLogger } from '../../lib/common/sync-logger.js';
import {
  cutConnection,
  corkUntilNextTick,
  receiveCopyData,
  socketOf,
} from '../../lib/database/pg-internals.js';
import { pipelined } from '../../lib/database/pipeline.js';
import { poolProblems } from '../../lib/database/pool-checks.js';
import { inTransaction } from '../../lib/database/session.js';
import { createDatabase, type TestDatabase } from '../support/database.js';

const require = createRequire(import.meta.url);

/** With what `@types/pg` does not know of it. */
interface Driver extends Omit<typeof pg, 'Client'> {
  readonly Client: typeof pg.Client & { Query: typeof pg.Query };
}

const VERSIONS: readonly (readonly [string, Driver])[] = ['pg', 'pg-lowest'].map((name) => {
  const file = path.resolve(import.meta.dirname, '../../node_modules', name, 'package.json');
  const { version } = require(file) as { readonly version: string };
  return [version, require(name) as Driver];
});

let database: TestDatabase;
beforeAll(async () => {
  database = await createDatabase();
});
afterAll(() => database.drop());

it('the oldest pg of the peer range is tested, and the newest', () => {
  const { peerDependencies } = require('../../package.json') as {
    readonly peerDependencies: { readonly pg: string };
  };
  const [[newest] = [], [lowest] = []] = VERSIONS;
  expect(peerDependencies.pg).toBe(`^${lowest}`);
  expect(newest).not.toBe(lowest);
});

describe.each(VERSIONS)('the parts of pg %s that are not documented', (_version, driver) => {
  /** Runs work on a pool whose clients are of this class. */
  async function withDataSource(
    work: (dataSource: DataSource) => Promise<void>,
    extra: object = {},
  ): Promise<void> {
    const dataSource = new DataSource({ type: 'postgres', url: database.url, driver, extra });
    await dataSource.initialize();
    try {
      await work(dataSource);
    } finally {
      await dataSource.destroy();
    }
  }

  async function withClient(work: (client: pg.Client) => Promise<void>): Promise<void> {
    const client = new driver.Client({ connectionString: database.url });
    client.on('error', () => undefined);
    await client.connect();
    try {
      await work(client);
    } finally {
      await client.end();
    }
  }

  it('a client hands on what COPY brings', async () => {
    await withClient(async (client) => {
      const chunks: string[] = [];
      receiveCopyData(client, (chunk) => chunks.push(chunk.toString()));
      await client.query("COPY (VALUES ('a'), ('b')) TO STDOUT");
      expect(chunks).toEqual(['a\n', 'b\n']);
    });
  });

  it('a client whose connection is cut fails what it waits for', async () => {
    await withClient(async (client) => {
      const waiting = client.query('SELECT pg_sleep(60)');
      cutConnection(client);
      await expect(waiting).rejects.toThrow(/terminated/);
    });
  });

  it('what is sent in one piece leaves when there is nothing more to do', async () => {
    await withClient(async (client) => {
      const socket = socketOf(client);
      corkUntilNextTick(client);
      corkUntilNextTick(client);
      const answer = client.query('SELECT 1 AS one');
      expect(socket.writableCorked).toBeGreaterThan(0);
      expect((await answer).rows).toEqual([{ one: 1 }]);
      expect(socket.writableCorked).toBe(0);
    });
  });

  it('a pipeline ends the time limit that the host gives its queries [W-HOST-86]', async () => {
    const limit = 54_321;
    const began = vi.spyOn(globalThis, 'setTimeout');
    const ended = vi.spyOn(globalThis, 'clearTimeout');
    await withDataSource(
      async (dataSource) => {
        await inTransaction(dataSource, 'read', (manager) =>
          pipelined(manager, [{ sql: 'SELECT 1' }, { sql: 'SELECT 2' }]),
        );
      },
      { query_timeout: limit },
    );
    const timers = began.mock.calls.flatMap(([, delay], index) =>
      delay === limit ? [began.mock.results[index]?.value as unknown] : [],
    );
    const cleared = ended.mock.calls.map(([timer]) => timer as unknown);
    vi.restoreAllMocks();
    expect(timers.length).toBeGreaterThan(1);
    expect(timers.filter((timer) => !cleared.includes(timer))).toEqual([]);
  });

  it.each([
    ['one answer too few', 'readyForQuery', { status: 'T' }],
    ['one answer too many', 'commandComplete', { text: 'SELECT 1' }],
  ])('with %s, the request fails and the connection is closed [W-HOST-84]', async (_name, event, message) => {
    await withDataSource(async (dataSource) => {
      const failing = inTransaction(dataSource, 'write', async (manager) => {
        const client = (await manager.queryRunner?.connect()) as pg.Client;
        client.connection.once('parseComplete', () => {
          const times = event === 'commandComplete' ? 3 : 1;
          for (let n = 0; n < times; n++) client.connection.emit(event, message);
        });
        return pipelined(manager, [{ sql: 'SELECT 1' }, { sql: 'SELECT 2' }]);
      });
      await expect(failing).rejects.toMatchObject({
        code: 'temporarily_unavailable',
        message: expect.stringMatching(
          /^2 statements were sent together, and [03] were answered: the connection to the database was closed$/,
        ) as unknown,
      });
      const [alive] = await inTransaction(dataSource, 'read', (manager) =>
        pipelined(manager, [{ sql: 'SELECT 1 AS one' }, { sql: 'SELECT 2 AS two' }]),
      );
      expect(alive).toEqual([{ one: 1 }]);
    });
  });

  describe('are tested at start', () => {
    const warnings: unknown[] = [];
    const logger = new SyncLogger(
      { log: () => undefined, error: () => undefined, warn: (line: unknown) => warnings.push(line) },
      'Synchro',
    );

    /** Starts with clients whose statements are of this class, and sends two together. */
    async function start(Query: typeof pg.Query): Promise<void> {
      warnings.length = 0;
      class Client extends driver.Client {
        static override Query = Query;
      }
      await withDataSource(
        async (dataSource) => {
          expect(await poolProblems(dataSource, logger)).toEqual([]);
          const rows = await inTransaction(dataSource, 'write', (manager) =>
            pipelined(manager, [{ sql: 'SELECT 1 AS one' }, { sql: 'SELECT 2 AS two' }]),
          );
          expect(rows).toEqual([[{ one: 1 }], [{ two: 2 }]]);
        },
        { Client },
      );
    }

    it('nothing is said where they are as expected', async () => {
      await start(driver.Client.Query);
      expect(warnings).toEqual([]);
    });

    it.each([
      [
        'each statement syncs',
        class extends driver.Client.Query {
          override submit = (connection: pg.Connection): void => {
            driver.Client.Query.prototype.submit.call(this, connection);
            driver.Connection.prototype.sync.call(connection);
          };
        },
        /were answered/,
      ],
      [
        'no statement is sent',
        class extends driver.Client.Query {
          override submit = (): void => undefined;
        },
        /were sent together, and 0 were answered/,
      ],
      [
        'a statement throws',
        class extends driver.Client.Query {
          override submit = (): void => {
            throw new TypeError('connection.parse is not a function');
          };
        },
        /statements could not be sent together/,
      ],
    ])('statements go one by one, with a warning, where %s [W-HOST-85]', async (_name, Query, reason) => {
      await start(Query);
      expect(warnings).toEqual([
        {
          message:
            'statements go to PostgreSQL one by one, and requests take longer: pg failed the self-test',
          reason: expect.stringMatching(reason) as unknown,
        },
      ]);
    });
  });
});
