import { randomUUID } from 'node:crypto';
import { Controller, Get, Injectable, type INestApplication } from '@nestjs/common';
import {
  HealthCheck,
  HealthCheckService,
  HealthIndicatorService,
  TerminusModule,
  type HealthCheckResult,
  type HealthIndicatorResult,
} from '@nestjs/terminus';
import {
  OwnershipResolver,
  SyncEngine,
  SyncStatus,
  SyncTable,
  type ResolveRow,
  type SyncStatusReport,
} from 'nestjs-synchro';
import { Column, Entity } from 'typeorm';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { WORK_CHANNEL } from '../../lib/common/work-channel.js';
import { ConsumerMonitor } from '../../lib/replication/consumer-monitor.js';
import { createTableSql } from '../support/schema-fixtures.js';
import { startApp, type RunningApp } from '../support/app.js';
import { withPausedConsumer } from '../support/consumer.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { eventually, pause } from '../support/wait.js';
import { startWalApp, SyncedRow, type WalAppOptions } from '../support/wal-app.js';

@Entity('docs')
@SyncTable({ ownerColumn: 'user_id' })
class Doc extends SyncedRow {
  @Column('text', { name: 'user_id' })
  userId!: string;
}

/** What ends each session of the consumer, if anything does. */
let failure: Error | null = null;

class LosingResolver extends OwnershipResolver {
  override resolveOwners(_: string, rows: readonly ResolveRow[]): Promise<readonly (readonly string[])[]> {
    if (failure) throw failure;
    return Promise.resolve(rows.map(({ data }) => [`user:${data['user_id']}`]));
  }
}

// As a host writes it, see docs/operations.md#health.
@Injectable()
class SyncHealthIndicator {
  constructor(
    private readonly status: SyncStatus,
    private readonly indicators: HealthIndicatorService,
  ) {}

  async isHealthy(key: string): Promise<HealthIndicatorResult> {
    const indicator = this.indicators.check(key);
    const { consumer, slot, lag } = await this.status.read();
    const details = { consumer: consumer.state, lagSeconds: lag.seconds, retainedBytes: slot.retainedBytes };
    if (!slot.active) return indicator.down({ message: 'no instance consumes the WAL', ...details });
    if ((lag.seconds ?? 0) > 60) return indicator.down({ message: 'devices are behind', ...details });
    return indicator.up(details);
  }
}

@Controller('health')
class HealthController {
  constructor(
    private readonly health: HealthCheckService,
    private readonly sync: SyncHealthIndicator,
  ) {}

  @Get()
  @HealthCheck()
  check(): Promise<HealthCheckResult> {
    return this.health.check([() => this.sync.isHealthy('sync')]);
  }
}

function read(app: INestApplication): Promise<SyncStatusReport> {
  return app.get(SyncStatus).read();
}

async function health({ url }: RunningApp): Promise<[number, unknown]> {
  const response = await fetch(`${url}/health`);
  return [response.status, ((await response.json()) as HealthCheckResult).details['sync']];
}

async function reaches(app: INestApplication, state: string): Promise<SyncStatusReport> {
  return eventually(async () => {
    const status = await read(app);
    expect(status.consumer.state).toBe(state);
    return status;
  });
}

describe('the status', () => {
  let database: TestDatabase;
  const apps: RunningApp[] = [];

  beforeEach(async () => {
    failure = null;
    database = await createDatabase();
    await database.query(createTableSql('docs', 'user_id text NOT NULL'));
  });

  afterEach(async () => {
    for (const app of apps.splice(0).toReversed()) await app.close();
    await database.drop();
  });

  async function start(options: WalAppOptions = {}): Promise<INestApplication> {
    const app = await startWalApp(database, [Doc], {
      providers: [{ provide: OwnershipResolver, useClass: LosingResolver }],
      ...options,
    });
    apps.push(app);
    return app.app;
  }

  async function insertDoc(): Promise<void> {
    await database.query('INSERT INTO docs (id, user_id) VALUES ($1, $2)', [randomUUID(), 'alice']);
  }

  it('is known on every instance: the one that consumes, one that stands by, one that never does', async () => {
    const consuming = await start();
    await reaches(consuming, 'consuming');
    const standby = await start();
    const apiOnly = await start({ replication: false });
    await insertDoc();
    await apiOnly.get(SyncEngine).caughtUp();
    for (const [app, state] of [
      [consuming, 'consuming'],
      [standby, 'standby'],
      [apiOnly, 'off'],
    ] as const) {
      const status = await reaches(app, state);
      expect(status).toEqual({
        consumer: { state, since: expect.any(Date), error: null },
        slot: {
          name: database.slotName,
          active: true,
          walStatus: 'reserved',
          retainedBytes: expect.any(Number),
          safeWalSize: null,
        },
        lag: { bytes: 0, seconds: 0 },
        changelog: { lastSeq: '2', floorSeq: '0', epochSeq: '0' },
        openRuleFailures: 0,
        waitingRows: 0,
        parkedRows: 0,
        openTasks: 0,
        live: { connections: 0, pokes: 0, pokeDelay: null },
        refusedChanges: { count: 0, latest: [] },
      });
      expect(status.slot.retainedBytes).toBeGreaterThan(0);
    }
  });

  it('is not behind, however much others write', async () => {
    const app = await start();
    await database.query('CREATE TABLE elsewhere (text text)');
    for (let round = 0; round < 5; round++) {
      await database.query(
        'INSERT INTO elsewhere SELECT repeat(md5(n::text), 30) FROM generate_series(1, 300) n',
      );
      await eventually(async () => expect((await read(app)).lag).toEqual({ bytes: 0, seconds: 0 }));
    }
  });

  it('says by how much the changelog is behind [W-HTTP-7]', async () => {
    const app = await start({ replication: false });
    await start();
    await insertDoc();
    await app.get(SyncEngine).caughtUp();
    await withPausedConsumer(database, async () => {
      await pause(1_100);
      await insertDoc();
      const { lag, slot } = await read(app);
      expect(slot.active).toBe(true);
      expect(lag.bytes).toBeGreaterThan(0);
      expect(lag.seconds).toBeGreaterThan(1);
      expect(lag.seconds).toBeLessThan(60);
    });
    await app.get(SyncEngine).caughtUp();
    expect((await read(app)).lag).toEqual({ bytes: 0, seconds: 0 });
  });

  it('says why the consumer fails, and since when [W-WAL-5]', async () => {
    const app = await start();
    await reaches(app, 'consuming');
    failure = Object.assign(new Error('the resolver lost its connection'), { code: 'ECONNRESET' });
    await insertDoc();
    const { consumer } = await reaches(app, 'failing');
    expect(consumer.error).toBe('the resolver lost its connection');
    // No session gets further, though something wakes it before it comes to the row again.
    const entered = vi.spyOn(ConsumerMonitor.prototype, 'enter');
    const states = (): readonly string[] => entered.mock.calls.map(([state]) => state);
    while (states().filter((state) => state === 'failing').length < 3)
      await database.query(`NOTIFY ${WORK_CHANNEL}`);
    expect(states()).not.toContain('consuming');
    expect((await read(app)).consumer).toEqual(consumer);
    entered.mockRestore();
    failure = null;
    const { consumer: later } = await reaches(app, 'consuming');
    expect(later.since.getTime()).toBeGreaterThan(consumer.since.getTime());
    expect(later.error).toBeNull();
  });

  it('counts what waits for somebody, and names the changes that were refused last [W-HOST-51]', async () => {
    const app = await start();
    await database.query(
      `INSERT INTO sync_rule_failures (table_name, record_id, operation, error_text, retry_at, resolved_at)
       VALUES ('docs', 'a', 1, '', 'infinity', NULL), ('docs', 'b', 1, '', 'infinity', now())`,
    );
    await database.query(
      `INSERT INTO sync_waiting_rows (table_name, record_id, parent_table, parent_id)
       SELECT 'x', n, 'y', 'z' FROM generate_series(1, 10005) AS n`,
    );
    await database.query(
      `INSERT INTO sync_parked_rows (user_id, client_id, table_name, record_id, parent_table, parent_id, change, client_updated_at)
       SELECT 'u', 'c', 'x', n, 'y', 'z', '{}', now() FROM generate_series(1, 2) AS n`,
    );
    await database.query(
      `INSERT INTO sync_consumer_tasks (kind, table_name) VALUES ('reresolve', 'unknown')`,
    );
    await database.query(
      `INSERT INTO sync_push_failures
         (user_key, change_key, user_id, client_id, table_name, record_id, operation, error, refused_at)
       SELECT 'u', n, 'u', 'c', 'docs', n, 'update', 'SQLSTATE P0001',
              CASE WHEN n <= 7 THEN timestamptz '2026-01-01' + n * interval '1 second' END
         FROM generate_series(1, 9) AS n`,
    );
    expect(await read(app)).toMatchObject({
      openRuleFailures: 1,
      waitingRows: 10_000,
      parkedRows: 2,
      openTasks: 1,
      refusedChanges: {
        count: 7,
        latest: [7, 6, 5, 4, 3].map((n) => ({
          table: 'docs',
          recordId: String(n),
          error: 'SQLSTATE P0001',
          refusedAt: new Date(Date.UTC(2026, 0, 1, 0, 0, n)),
        })),
      },
    });
  });

  it('is there before the first start, with nothing in it', async () => {
    const app = await start({ replication: false });
    expect(await read(app)).toMatchObject({
      consumer: { state: 'off' },
      slot: { active: false, walStatus: null, retainedBytes: null },
      lag: { bytes: null, seconds: null },
      changelog: { lastSeq: null, epochSeq: null },
    });
  });

  it('makes a health check with Terminus [W-HTTP-7]', async () => {
    const terminus = {
      imports: [TerminusModule.forRoot({ logger: false })],
      controllers: [HealthController],
      providers: [SyncHealthIndicator],
    };
    const replicating = await startApp({ database, host: terminus, synchro: { isGlobal: true } });
    apps.push(replicating);
    await eventually(async () => {
      expect(await health(replicating)).toEqual([
        200,
        expect.objectContaining({ status: 'up', consumer: 'consuming', lagSeconds: 0 }),
      ]);
    });
    const apiOnly = await startApp({
      database,
      host: terminus,
      synchro: { isGlobal: true, replication: false },
    });
    apps.push(apiOnly);
    expect(await health(apiOnly)).toEqual([200, expect.objectContaining({ status: 'up', consumer: 'off' })]);
    await replicating.close();
    expect(await health(apiOnly)).toEqual([
      503,
      expect.objectContaining({ status: 'down', message: 'no instance consumes the WAL' }),
    ]);
  });
});
