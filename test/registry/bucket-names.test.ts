import { randomUUID } from 'node:crypto';
import { OwnershipResolver, type ResolveRow, SubscriptionResolver, SyncTable } from 'nestjs-synchro';
import { Column, Entity } from 'typeorm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ruleProblems } from '../../lib/registry/validation.js';
import { createTableSql, owned, readOnly } from '../support/schema-fixtures.js';
import type { RunningApp } from '../support/app.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { Device } from '../support/device.js';
import { applied, edgesOf, startWalApp, SyncedRow } from '../support/wal-app.js';

describe('a bucketPrefix', () => {
  const named = { bucketByColumn: 'team' };
  const isProtected = new Set(['id', 'user_id', 'updated_at', 'deleted_at', 'team']);

  it.each([
    ['none', owned('a', { ...named, bucketPrefix: '' })],
    ['a beginning of global', owned('a', { ...named, bucketPrefix: 'glo' })],
    ["a beginning of sync's own", owned('a', { ...named, bucketPrefix: 'clien' })],
    ["sync's own", owned('a', { ...named, bucketPrefix: 'client:' })],
    ["what begins with sync's own", owned('a', { ...named, bucketPrefix: 'client:x-' })],
    ["sync's own, where no device writes", readOnly('a', { ...named, bucketPrefix: 'client:' })],
    ['none, where anything may be named', owned('a', { ...named, bucketPrefix: '', writeBuckets: 'any' })],
  ])('that a value could make a reserved name of stops the start: %s [W-LOAD-18]', (_, table) => {
    expect(ruleProblems([table])).toMatchObject([
      { code: 'configuration_invalid', entity: table.entity, option: 'bucketPrefix' },
    ]);
  });

  it.each([
    ['none, where no device writes', readOnly('a', { ...named, bucketPrefix: '' })],
    [
      'none, for a protected column',
      owned('a', { ...named, bucketPrefix: '', protectedColumns: isProtected }),
    ],
    ['one of its own', owned('a', { ...named, bucketPrefix: 'team:' })],
    ['one that only looks like it', owned('a', { ...named, bucketPrefix: 'clients:' })],
    ['global as a beginning', owned('a', { ...named, bucketPrefix: 'global' })],
    ["the users'", owned('a', { ...named, bucketPrefix: 'user:' })],
  ])('is taken: %s', (_, table) => {
    expect(ruleProblems([table])).toEqual([]);
  });
});

@Entity('papers')
@SyncTable({ ownerColumn: 'user_id', bucketByColumn: 'place', bucketPrefix: 'place:' })
class Paper extends SyncedRow {
  @Column('text', { name: 'user_id' })
  userId!: string;

  @Column('text')
  place!: string;
}

/** Takes names from the data as they are. */
class Naming extends OwnershipResolver {
  override resolveOwner(_: string, { data }: ResolveRow): readonly string[] {
    return data['place'] ? [data['place']] : ['global'];
  }
}

const subscribed = new Map<string, readonly string[]>();

class Subscriptions extends SubscriptionResolver {
  override resolveSubscriptions(userId: string): readonly string[] {
    return [`user:${userId}`, 'global', ...(subscribed.get(userId) ?? [])];
  }
}

describe("the buckets that are sync's own", () => {
  let database: TestDatabase;
  let app: RunningApp;

  beforeAll(async () => {
    database = await createDatabase();
    await database.query(createTableSql('papers', 'user_id text NOT NULL, place text'));
    app = await startWalApp(database, [Paper], {
      providers: [
        { provide: OwnershipResolver, useClass: Naming },
        { provide: SubscriptionResolver, useClass: Subscriptions },
      ],
    });
  });

  afterAll(async () => {
    await app.close();
    await database.drop();
  });

  async function started(userId: string): Promise<{ readonly device: Device; readonly bucket: string }> {
    const device = new Device(app.url, userId);
    await device.start();
    const [row] = await database.query<{ id: string }>('SELECT id FROM sync_clients WHERE user_id = $1', [
      userId,
    ]);
    return { device, bucket: `client:${row?.id}` };
  }

  it('take no row of a rule that names them: the row is recorded, and its neighbours come [W-LOAD-18]', async () => {
    const { device, bucket } = await started('ann');
    const [bad, good] = [randomUUID(), randomUUID()];
    await database.query(
      `INSERT INTO papers (id, user_id, place) VALUES ($1, 'eve', $2), ($3, 'eve', 'user:ann')`,
      [bad, bucket, good],
    );
    await applied(database);
    expect(await edgesOf(database, 'papers', bad)).toEqual([]);
    await device.pull();
    expect([...device.rows('papers').keys()]).toEqual([good]);
    const failures = await database.query('SELECT record_id, error_text FROM sync_rule_failures');
    expect(failures).toEqual([
      { record_id: bad, error_text: expect.stringContaining('begins with client:') },
    ]);
  });

  it('are not read by a user whose subscriptions name them; what else they name is [W-LOAD-18]', async () => {
    const { bucket } = await started('ben');
    subscribed.set('eve', [bucket, 'place:x']);
    const { device } = await started('eve');
    await device.pull();
    const [row] = await database.query(`SELECT bucket_subs FROM sync_clients WHERE user_id = 'eve'`);
    expect(row).toEqual({ bucket_subs: ['user:eve', 'global', 'place:x'] });
  });

  it('take no push that names them [W-LOAD-18]', async () => {
    const { bucket } = await started('cem');
    const { device } = await started('dan');
    const id = randomUUID();
    const answer = await device.push([
      { id, table_name: 'papers', operation: 'create', data: { place: bucket } },
      { id: randomUUID(), table_name: 'papers', operation: 'create', data: { place: 'x' } },
    ]);
    expect(answer.rejected.map(({ reason_code }) => reason_code)).toEqual(
      Array(2).fill('bucket_not_readable'),
    );
  });
});
