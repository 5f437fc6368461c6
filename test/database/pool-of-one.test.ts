import { randomUUID } from 'node:crypto';
import { Injectable, Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import {
  BeforeApply,
  ConflictResolver,
  OnPullComplete,
  OnPushAccepted,
  OnStaleClient,
  OwnershipResolver,
  SubscriptionResolver,
  SynchroModule,
  synchroMigrations,
  SyncEngine,
  SyncOperations,
  SyncStatus,
  UserIdHeaderGuard,
  bucketOf,
  type BeforeApplyEvent,
  type Conflict,
  type PushAcceptedEvent,
  type Resolution,
  type StaleClientEvent,
} from 'nestjs-synchro';
import { DataSource, type EntityManager } from 'typeorm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Category } from '../../sample-app/categories/category.entity.js';
import { CreateSampleTables1767225600000 } from '../../sample-app/migrations/1767225600000-create-sample-tables.js';
import { Tag } from '../../sample-app/tags/tag.entity.js';
import { Comment } from '../../sample-app/tasks/comment.entity.js';
import { SharingResolver } from '../../sample-app/tasks/sharing.resolver.js';
import { TaskShare } from '../../sample-app/tasks/task-share.entity.js';
import { Task } from '../../sample-app/tasks/task.entity.js';
import { startApp, type RunningApp } from '../support/app.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { Device } from '../support/device.js';
import { insertTask } from '../support/sample-rows.js';

/** Every hook asks the database, by the connection that it is given. */
@Injectable()
class Hooks {
  constructor(
    private readonly dataSource: DataSource,
    private readonly engine: SyncEngine,
  ) {}

  @BeforeApply(() => Task)
  async check({ manager }: BeforeApplyEvent<Task>): Promise<void> {
    await manager.count(Task);
  }

  @OnPushAccepted()
  async accepted({ manager, accepted }: PushAcceptedEvent): Promise<void> {
    await manager.count(Task);
    const tasks = accepted.filter(({ table }) => table === 'tasks').map(({ recordId }) => recordId);
    await this.engine.reresolve(Task, tasks, { manager });
  }

  @OnStaleClient()
  async isWelcome({ manager }: StaleClientEvent): Promise<boolean> {
    return (await manager.count(Task)) >= 0;
  }

  @OnPullComplete()
  async pulled(): Promise<void> {
    await this.dataSource.manager.count(Task);
  }
}

/** The server keeps a task that its owner has locked, by the title of another one. */
class AskingConflicts extends ConflictResolver {
  override async resolve({ userId }: Conflict, manager: EntityManager): Promise<Resolution> {
    const isLocked = await manager.existsBy(Task, { userId, title: 'locked' });
    return { winner: isLocked ? 'server' : 'client', reason: 'by what the table says' };
  }
}

/** Asks before sync has a connection, so it may take one of its own. */
@Injectable()
class AskingSubscriptions extends SubscriptionResolver {
  constructor(private readonly dataSource: DataSource) {
    super();
  }

  override async resolveSubscriptions(userId: string): Promise<readonly string[]> {
    await this.dataSource.manager.count(TaskShare);
    return [bucketOf('user:', userId), 'global'];
  }
}

/** A host whose pool has one connection: whoever holds it and asks for another one waits for himself. */
function hostOf({ url, slotName, publicationName }: TestDatabase): new () => object {
  @Module({
    imports: [
      TypeOrmModule.forRoot({
        type: 'postgres',
        url,
        entities: [Task, TaskShare, Comment, Category, Tag],
        migrations: [...synchroMigrations, CreateSampleTables1767225600000],
        migrationsRun: true,
        poolSize: 1,
        extra: { connectionTimeoutMillis: 5_000 },
      }),
      SynchroModule.forRoot({
        guards: [UserIdHeaderGuard()],
        providers: [
          { provide: OwnershipResolver, useClass: SharingResolver },
          { provide: SubscriptionResolver, useClass: AskingSubscriptions },
          { provide: ConflictResolver, useClass: AskingConflicts },
        ],
        compaction: {},
        replication: { slotName, publicationName },
      }),
    ],
    providers: [Hooks],
  })
  class Host {}
  return Host;
}

describe('with a pool of one connection', () => {
  let database: TestDatabase;
  let app: RunningApp;
  let engine: SyncEngine;

  beforeAll(async () => {
    database = await createDatabase();
    app = await startApp({ database, module: hostOf(database) });
    engine = app.app.get(SyncEngine, { strict: false });
  });

  afterAll(async () => {
    await app.close();
    await database.drop();
  });

  it('devices do everything, several at a time', async () => {
    const devices = Array.from({ length: 6 }, (_, n) => new Device(app.url, `user-${n % 2}`));
    await Promise.all(devices.map((device) => device.start()));
    for (const device of devices) {
      const id = device.create('tasks', { title: 'a task', user_id: device.userId });
      device.create('comments', { task_id: id, body: 'under it' });
    }
    await Promise.all(devices.map((device) => device.sync()));
    await insertTask(database, 'user-0', 'by the server');
    await engine.caughtUp();
    await Promise.all(devices.map((device) => device.sync()));
    expect(devices.map((device) => device.rows('tasks').size)).toEqual([4, 3, 4, 3, 4, 3]);
    await Promise.all(devices.map((device) => device.snapshot()));
    expect(devices.map((device) => device.rows('tasks').size)).toEqual([4, 3, 4, 3, 4, 3]);
  });

  it('a conflict resolver asks the database within the push', async () => {
    const [device, other] = [1, 2].map(() => new Device(app.url, 'user-2'));
    if (!device || !other) throw new Error('there are two');
    await device.start();
    const id = device.create('tasks', { title: 'first', user_id: 'user-2' });
    await device.sync();
    await engine.caughtUp();
    await other.start();
    device.update('tasks', id, { title: 'second' });
    await device.sync();
    expect(device.row('tasks', id)).toMatchObject({ title: 'second' });
    device.create('tasks', { title: 'locked', user_id: 'user-2' });
    await device.sync();
    other.update('tasks', id, { title: 'third' });
    await other.sync();
    expect(other.row('tasks', id)).toMatchObject({ title: 'second' });
  });

  it('so do operators', async () => {
    const operations = app.app.get(SyncOperations, { strict: false });
    const device = new Device(app.url, 'user-0');
    await device.start();
    const comment = device.create('comments', { task_id: randomUUID(), body: 'waits for its task' });
    await device.sync();
    const parked = { userId: 'user-0', table: 'comments', recordId: comment };
    expect(await operations.retryParkedRow(parked)).toBe(false);
    await operations.discardParkedRow(parked);
    await engine.reresolve(Task);
    await engine.caughtUp();
    expect(await operations.replayRuleFailures()).toBe(0);
    expect(await app.app.get(SyncStatus, { strict: false }).read()).toMatchObject({ parkedRows: 0 });
    expect(await engine.runCompaction()).toMatchObject({ removedClients: 0 });
    expect(await engine.clients('user-0')).not.toEqual([]);
    expect(await engine.revokeClient('user-0', device.clientId)).toBe(true);
  });

  it('a live ALTER TABLE that nobody has seen before stops nobody', async () => {
    const devices = Array.from({ length: 4 }, () => new Device(app.url, 'user-1'));
    for (const device of devices) await device.start();
    await database.query('ALTER TABLE tasks ADD COLUMN note text');
    const answers = await Promise.all(
      devices.map(async (device) =>
        device.send('pull', { client_id: device.clientId, checkpoint: 1, ...(await device.schemaIds()) }),
      ),
    );
    expect(answers.map(({ status, text }) => [status, text.includes('schema_mismatch')])).toEqual(
      devices.map(() => [409, true]),
    );
  });
});
