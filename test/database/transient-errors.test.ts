import { randomUUID } from 'node:crypto';
import type { AbstractHttpAdapter } from '@nestjs/core';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { getDataSourceToken, TypeOrmModule } from '@nestjs/typeorm';
import {
  CannotExecuteNotConnectedError,
  ConnectionIsNotSetError,
  QueryFailedError,
  TypeORMError,
  type DataSource,
} from 'typeorm';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { isTransient } from '../../lib/database/database-error.js';
import { ConflictResolver, SynchroModule, UserIdHeaderGuard, type Resolution } from '../../lib/index.js';
import { Category } from '../../sample-app/categories/category.entity.js';
import { startPostgres } from '../../sample-app/postgres/server.js';
import { Tag } from '../../sample-app/tags/tag.entity.js';
import { Comment } from '../../sample-app/tasks/comment.entity.js';
import { TaskShare } from '../../sample-app/tasks/task-share.entity.js';
import { Task } from '../../sample-app/tasks/task.entity.js';
import { startApp, type RunningApp } from '../support/app.js';
import { withClient } from '../support/client.js';
import { consumed } from '../support/consumer.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { Device } from '../support/device.js';
import { startAgain } from '../support/own-server.js';
import { testFolder } from '../support/run.js';
import { eventually } from '../support/wait.js';
import type { WireAnswer } from '../support/wire.js';

const POSTS = ['register', 'pull', 'push', 'snapshot'] as const;
const GETS = ['schema', 'tables'] as const;

const TRANSIENT_STATES =
  '08000 08001 08003 08006 53000 53100 53200 53300 57014 57P01 57P02 57P03 40001 40P01 55P03 25006 25P03'.split(
    ' ',
  );
const NETWORK_ERRORS =
  'ECONNREFUSED ECONNRESET EPIPE ETIMEDOUT ENOTFOUND EAI_AGAIN EHOSTUNREACH ENETUNREACH'.split(' ');

function coded(code: string, message = 'message'): Error {
  return Object.assign(new Error(message), { code });
}

describe('a transient error', () => {
  it.each([...TRANSIENT_STATES, ...NETWORK_ERRORS])(
    'has the code %s, however it is wrapped [W-HTTP-2] [W-HTTP-4]',
    (code) => {
      const error = coded(code);
      const query = new QueryFailedError('SELECT 1', [], error);
      for (const wrapped of [
        error,
        query,
        new Error('outer', { cause: query }),
        new AggregateError([new Error('first'), error]),
        Object.assign(coded('ERR_OF_SOMEBODY'), { cause: error }),
      ]) {
        expect(isTransient(wrapped)).toBe(true);
      }
    },
  );

  it.each([
    'Connection terminated unexpectedly',
    'Connection terminated due to connection timeout',
    'timeout exceeded when trying to connect',
    'timeout expired',
    'Query read timeout',
    'Cannot use a pool after calling end on the pool',
    'Client was closed and is not queryable',
    'Client has encountered a connection error and is not queryable',
  ])("is the driver's: %s [W-HTTP-4]", (message) => {
    const error = new Error(message);
    expect(isTransient(error)).toBe(true);
    expect(isTransient(new QueryFailedError('SELECT 1', [], error))).toBe(true);
  });

  it.each([
    new CannotExecuteNotConnectedError(),
    new ConnectionIsNotSetError('postgres'),
    new TypeORMError('Driver not Connected'),
  ])("is TypeORM's: %s", (error) => {
    expect(isTransient(error)).toBe(true);
  });

  it.each([
    ...['23505', '42601', '42P01', '22P02', '40002', '42501', 'P0001', '28P01', 'XX000'].map(
      (code) => new QueryFailedError('SELECT 1', [], coded(code, 'Connection terminated, says a trigger')),
    ),
    new Error('something else'),
    new TypeError('undefined is not a function'),
    'ECONNRESET',
    null,
    undefined,
  ])('is none of this: %s', (error) => {
    expect(isTransient(error)).toBe(false);
  });

  it('may be its own cause', () => {
    const error = new Error('outer');
    error.cause = error;
    expect(isTransient(error)).toBe(false);
  });
});

describe('a database that fails', () => {
  let database: TestDatabase;
  let app: RunningApp;

  beforeAll(async () => {
    database = await createDatabase();
    const first = await startApp({ database });
    await consumed(database);
    await first.close();
  });

  afterEach(async () => {
    await app.close();
    await database.query(`ALTER DATABASE "${database.name}" RESET ALL`);
  });

  afterAll(async () => {
    await database.drop();
  });

  /** The sample app's tables behind one connection, for which a request waits so many milliseconds. */
  async function startOnOneConnection(
    options: { statementTimeout?: number } = {},
    adapter: AbstractHttpAdapter = new ExpressAdapter(),
    connectTimeoutMS = 20_000,
  ): Promise<Device> {
    app = await startApp({
      database,
      adapter,
      module: {
        module: HostModule,
        imports: [
          TypeOrmModule.forRoot({
            type: 'postgres',
            url: database.url,
            entities: [Task, TaskShare, Comment, Category, Tag],
            poolSize: 1,
            connectTimeoutMS,
            retryAttempts: 1,
          }),
          SynchroModule.forRoot({
            guards: [UserIdHeaderGuard()],
            providers: [{ provide: ConflictResolver, useClass: WaitingResolver }],
            replication: false,
            retryAfter: 10,
            ...options,
          }),
        ],
      },
    });
    const device = new Device(app.url, `user-${randomUUID()}`);
    await device.start();
    return device;
  }

  const dataSource = (): DataSource => app.app.get<DataSource>(getDataSourceToken(), { strict: false });

  /** Sends a request that comes to wait for a lock, on each of a table's routes, and does something to it there. */
  async function whileLocked(
    table: string,
    request: () => Promise<WireAnswer>,
    meanwhile: (pid: number) => Promise<unknown> = async () => undefined,
  ): Promise<WireAnswer> {
    return withClient(database.url, async (client) => {
      await client.query(`BEGIN; LOCK TABLE ${table} IN ACCESS EXCLUSIVE MODE`);
      const answer = request();
      const pid = await eventually(async () => {
        const [waiting] = await database.query<{ pid: number }>(
          `SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`,
        );
        return waiting ? waiting.pid : false;
      });
      await meanwhile(pid);
      return answer;
    });
  }

  it.each([
    ['Express', (): AbstractHttpAdapter => new ExpressAdapter()],
    ['Fastify', (): AbstractHttpAdapter => new FastifyAdapter()],
  ])('has no connection free: every route answers 503 on %s', async (_, adapter) => {
    const device = await startOnOneConnection({}, adapter(), 1_000);
    const runner = dataSource().createQueryRunner();
    await runner.connect();
    await expectAll(device, expectUnavailable);
    await runner.release();
    await expectAll(device, expectOk);
  });

  it('has its connection terminated within a statement', async () => {
    const device = await startOnOneConnection();
    for (const path of POSTS) {
      expectUnavailable(await whileLocked('sync_clients', () => sendTo(device, path), terminate));
    }
    for (const path of GETS) {
      await changeSchema();
      expectUnavailable(await whileLocked('sync_schema_manifest', () => device.send(path), terminate));
    }
    await device.schema();
    await expectAll(device, expectOk);
  });

  it('has its connection terminated between two statements, and nothing is written', async () => {
    const device = await startOnOneConnection();
    const id = randomUUID();
    await device.push([{ id, table_name: 'tasks', operation: 'create', data: { title: 'before' } }]);
    const push = device.send('push', {
      client_id: device.clientId,
      ...(await device.schemaIds()),
      changes: [
        {
          id,
          table_name: 'tasks',
          operation: 'update',
          data: { title: 'after' },
          client_updated_at: new Date(Date.now() + 60_000).toISOString(),
        },
      ],
    });
    await WaitingResolver.reached;
    await database.query(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND state = 'idle in transaction'`,
    );
    const { master: pool } = dataSource().driver as unknown as { master: { totalCount: number } };
    await eventually(() => pool.totalCount === 0);
    WaitingResolver.goOn();
    expectUnavailable(await push);
    expect(await database.query('SELECT title FROM tasks WHERE id = $1', [id])).toEqual([
      { title: 'before' },
    ]);
    await expectAll(device, expectOk);
  });

  it.each<[string, { set?: string; statementTimeout?: number }]>([
    ['statement_timeout of the database', { set: 'statement_timeout' }],
    ['lock_timeout of the database', { set: 'lock_timeout' }],
    ['statementTimeout of the module', { statementTimeout: 300 }],
  ])('takes too long, by the %s [W-HTTP-1]', async (_, { set, ...options }) => {
    if (set) await database.query(`ALTER DATABASE "${database.name}" SET ${set} = '300ms'`);
    const device = await startOnOneConnection(options);
    for (const path of POSTS) {
      expectUnavailable(await whileLocked('sync_clients', () => sendTo(device, path)));
    }
    if (set) {
      await changeSchema();
      expectUnavailable(await whileLocked('sync_schema_manifest', () => device.send('schema')));
    }
    await device.schema();
    await expectAll(device, expectOk);
    const [setting] = await dataSource().query<{ statement_timeout: string }[]>('SHOW statement_timeout');
    expect(setting?.statement_timeout, "the host's own queries").toBe(
      set === 'statement_timeout' ? '300ms' : '0',
    );
  });

  function terminate(pid: number): Promise<unknown> {
    return database.query('SELECT pg_terminate_backend($1)', [pid]);
  }

  async function changeSchema(): Promise<void> {
    await database.query(`ALTER TABLE tags ADD COLUMN "c_${randomUUID()}" text`);
  }
});

it('a server that stops is a 503 on every route, until it is back [W-HTTP-4]', async () => {
  const server = await startPostgres({ dataDir: await testFolder() });
  try {
    const database = await createDatabase(server.url);
    const app = await startApp({ database, synchro: { retryAfter: 10 } });
    const device = new Device(app.url, 'alice');
    await consumed(database);
    await device.start();
    await server.stop('fast');
    await expectAll(device, expectUnavailable);
    await startAgain(server);
    await expectAll(device, expectOk);
    await app.close();
    await database.drop();
  } finally {
    server.destroySync();
  }
});

async function sendTo(device: Device, path: (typeof POSTS)[number]): Promise<WireAnswer> {
  return device.send(path, { client_id: device.clientId, ...(await device.schemaIds()) });
}

async function expectAll(device: Device, expected: (answer: WireAnswer) => void): Promise<void> {
  for (const path of POSTS) expected(await sendTo(device, path));
  for (const path of GETS) expected(await device.send(path));
}

function expectUnavailable(answer: WireAnswer): void {
  expect(answer.status, answer.text).toBe(503);
  expect(answer.json).toEqual({ error: 'service temporarily unavailable', retry_after: 10 });
  expect(answer.headers.get('retry-after')).toBe('10');
}

function expectOk(answer: WireAnswer): void {
  expect(answer.status, answer.text).toBe(200);
}

class HostModule {}

/** Decides once it is told to; only one test brings it a conflict. */
class WaitingResolver extends ConflictResolver {
  static goOn: () => void = () => undefined;
  private static tellReached: () => void = () => undefined;
  static readonly reached = new Promise<void>((resolve) => {
    WaitingResolver.tellReached = resolve;
  });

  override async resolve(): Promise<Resolution> {
    WaitingResolver.tellReached();
    await new Promise<void>((resolve) => {
      WaitingResolver.goOn = resolve;
    });
    return { winner: 'client', reason: 'of the test' };
  }
}
