import { randomUUID } from 'node:crypto';
import { TypeOrmModule } from '@nestjs/typeorm';
import {
  ConflictResolver,
  SynchroModule,
  SyncTable,
  UserIdHeaderGuard,
  WritePolicy,
  type Conflict,
  type PushAcceptedEvent,
  type Resolution,
  type WriteAnswer,
  type WriteQuestion,
} from 'nestjs-synchro';
import { caughtUp, SyncDevice } from 'nestjs-synchro/testing';
import { AbstractLogger, Column, Entity, type EntityManager, type LogLevel, type LogMessage } from 'typeorm';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { startApp } from '../support/app.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { SyncedRow } from '../support/wal-app.js';

@Entity('notes')
@SyncTable({ ownerColumn: 'user_id' })
class Note extends SyncedRow {
  @Column('text')
  user_id!: string;

  @Column('integer', { nullable: true })
  stars!: number | null;
}

/** One of the host's own, which keeps what it is given. */
class KeptLog extends AbstractLogger {
  lines: string[] = [];

  protected writeLog(level: LogLevel, message: LogMessage | LogMessage[]): void {
    for (const each of [message].flat())
      this.lines.push(`${level} ${typeof each === 'object' ? String(each.message) : String(each)}`);
  }
}

class HostConflicts extends ConflictResolver {
  async resolve(_: Conflict, manager: EntityManager): Promise<Resolution> {
    await manager.query('SELECT 1 AS conflict');
    return { winner: 'server', reason: 'so be it' };
  }
}

class HostPolicy extends WritePolicy {
  async decide({ changes }: WriteQuestion, manager: EntityManager): Promise<readonly WriteAnswer[]> {
    await manager.query('SELECT 1 AS policy');
    return changes.map(() => true);
  }
}

async function countNotes({ manager }: PushAcceptedEvent): Promise<void> {
  await manager.query('SELECT 1 AS accepted');
  await manager.getRepository(Note).countBy({ user_id: 'alice' });
}

async function divideByZero({ manager }: PushAcceptedEvent): Promise<void> {
  await manager.query('SELECT 1 / 0');
}

class HostModule {}

type Options = Partial<Parameters<typeof SynchroModule.forRoot>[0]>;

let database: TestDatabase;
let log: KeptLog;

beforeAll(async () => {
  database = await createDatabase();
  await database.query(
    `CREATE TABLE notes (id uuid PRIMARY KEY, user_id text, stars integer, updated_at timestamptz NOT NULL DEFAULT now(), deleted_at timestamptz)`,
  );
});
afterAll(() => database.drop());
beforeEach(() => {
  log = new KeptLog('all');
});

/** A start, and a device's first sync. */
async function withDevice(options: Options, work: (device: SyncDevice) => Promise<void>): Promise<void> {
  const typeorm = TypeOrmModule.forRoot({
    type: 'postgres',
    url: database.url,
    entities: [Note],
    logger: log,
    logging: 'all',
    retryAttempts: 1,
  });
  const { slotName, publicationName } = database;
  const sync = SynchroModule.forRoot({
    guards: [UserIdHeaderGuard()],
    migrationsRun: true,
    replication: { slotName, publicationName },
    ...options,
  });
  const running = await startApp({
    database,
    module: { module: HostModule, imports: [typeorm, sync] },
  });
  try {
    const device = new SyncDevice({ target: `${running.url}/sync`, headers: { 'x-user-id': 'alice' } });
    await device.start();
    await caughtUp(running.app);
    await work(device);
  } finally {
    await running.close();
  }
}

/** TypeORM's own, at its start. */
const CONNECTED = [/SELECT version\(\)/, /current_schema\(\)/];

function withoutConnecting(): readonly string[] {
  return log.lines.filter((line) => !CONNECTED.some((own) => own.test(line)));
}

async function everyRequest(device: SyncDevice): Promise<void> {
  const { id } = await device.create('notes', { stars: 1 });
  await device.update('notes', id, { stars: 2 });
  expect(await device.create('notes', { stars: 'many' })).toMatchObject({ reason_code: 'invalid_data' });
  await device.pull();
  await device.delete('notes', id);
}

describe('the query log of a host that logs everything', () => {
  it('has nothing of sync’s own, from the start to the end', async () => {
    await withDevice({ retryAfter: 5 }, everyRequest);
    expect(withoutConnecting()).toEqual([]);
  });

  it('has all of it where the host asks for it', async () => {
    await withDevice({ logQueries: true }, everyRequest);
    const lines = withoutConnecting().join('\n');
    for (const part of ['pg_catalog.pg_attribute', 'INSERT INTO "public"."notes"', 'sync_clients', 'COMMIT'])
      expect(lines).toContain(part);
  });

  it('has what the code of the host sends, within a transaction of sync’s too', async () => {
    const options: Options = {
      providers: [
        { provide: ConflictResolver, useClass: HostConflicts },
        { provide: WritePolicy, useClass: HostPolicy },
      ],
      hooks: { onPushAccepted: countNotes },
    };
    await withDevice(options, async (device) => {
      const id = randomUUID();
      await device.create('notes', { stars: 1 }, id);
      await device.pull();
      await device.push([
        { table: 'notes', id, operation: 'update', data: { stars: 3 }, base: '2001-01-01T00:00:00Z' },
      ]);
    });
    const count = expect.stringMatching(/^query SELECT COUNT\(1\).* FROM "notes" "Note"/);
    expect(withoutConnecting()).toEqual([
      'query SELECT 1 AS policy',
      'query SELECT 1 AS accepted',
      count,
      'query SELECT 1 AS policy',
      'query SELECT 1 AS conflict',
    ]);
  });

  it('has what of the host’s code fails', async () => {
    await withDevice({ hooks: { onPushAccepted: divideByZero } }, async (device) => {
      await expect(device.create('notes', { stars: 1 })).rejects.toThrow();
    });
    const failures = withoutConnecting().filter((line) => !line.startsWith('query'));
    expect(failures.join('\n')).toMatch(/SELECT 1 \/ 0[^]*division by zero/);
    expect(withoutConnecting().filter((line) => /sync/.test(line))).toEqual([]);
  });
});
