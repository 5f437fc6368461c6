import { randomUUID } from 'node:crypto';
import { bucketOf, SubscriptionResolver, SyncTable } from 'nestjs-synchro';
import {
  Column,
  CreateDateColumn,
  DeleteDateColumn,
  Entity,
  JoinColumn,
  ManyToOne,
  PrimaryColumn,
  UpdateDateColumn,
  type Relation,
} from 'typeorm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTableSql } from '../support/schema-fixtures.js';
import type { RunningApp } from '../support/app.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { Device } from '../support/device.js';
import type { PushChange, PushResult, Row, SchemaTable } from '../support/wire.js';
import { applied, edgesOf, startWalApp, SyncedRow } from '../support/wal-app.js';

abstract class OwnedRow extends SyncedRow {
  @Column('text', { name: 'user_id', nullable: true })
  userId!: string | null;

  @Column('text', { nullable: true })
  title!: string | null;
}

@Entity('projects')
@SyncTable({ ownerColumn: 'userId', syncColumns: ['title', 'status'], protectedColumns: ['status'] })
class Project extends OwnedRow {
  @Column('text', { nullable: true })
  status!: string | null;

  @Column('text', { nullable: true })
  internal!: string | null;
}

@Entity('steps')
@SyncTable({ parent: () => Project, dependencies: [() => Tag, () => Project, () => Label] })
class Step extends SyncedRow {
  @ManyToOne(() => Project)
  @JoinColumn({ name: 'project_id' })
  project!: Relation<Project>;

  @Column('text', { nullable: true })
  title!: string | null;
}

@Entity('remarks')
@SyncTable({ parent: () => Step, parentFkColumn: 'about', bucketByColumn: 'about', bucketPrefix: 'step:' })
class Remark extends SyncedRow {
  @Column('uuid')
  about!: string;
}

@Entity('tags')
@SyncTable({ ownerColumn: 'user_id', allowGlobalRead: true })
class Tag extends OwnedRow {}

/** Columns named like what the statements of sync call theirs. */
@Entity('namesakes')
@SyncTable({ ownerColumn: 'user_id' })
class Namesake extends OwnedRow {
  @Column('text', { nullable: true })
  d!: string | null;

  @Column('text', { nullable: true })
  t!: string | null;

  @Column('text', { nullable: true })
  n!: string | null;

  @Column('text', { nullable: true })
  record_id!: string | null;

  @Column('text', { nullable: true })
  bucket_id!: string | null;

  @Column('text', { name: `it's "so"`, nullable: true })
  quoted!: string | null;
}

@Entity('private_tags')
@SyncTable({ ownerColumn: 'user_id' })
class PrivateTag extends OwnedRow {}

@Entity('labels')
@SyncTable({
  ownerColumn: 'user_id',
  bucketByColumn: 'team',
  bucketPrefix: 'team:',
  allowGlobalRead: true,
  globalWhenBucketNull: true,
})
class Label extends OwnedRow {
  @Column('text', { nullable: true })
  team!: string | null;
}

@Entity('team_labels')
@SyncTable({ ownerColumn: 'user_id', bucketByColumn: 'team', allowGlobalRead: true })
class TeamLabel extends OwnedRow {
  @Column('text', { nullable: true })
  team!: string | null;
}

@Entity('reports')
@SyncTable({ ownerColumn: 'user_id', pushPolicy: 'disabled' })
class Report extends OwnedRow {}

@Entity('countries')
@SyncTable()
class Country extends SyncedRow {
  @Column('text', { nullable: true })
  title!: string | null;
}

/** Names of its own for everything. */
@Entity('articles')
@SyncTable({
  ownerColumn: 'author',
  idColumn: 'sku',
  updatedAtColumn: 'modified',
  deletedAtColumn: 'removed',
})
class Article {
  @PrimaryColumn('text')
  sku!: string;

  @Column('text')
  author!: string;

  @Column('text', { nullable: true })
  title!: string | null;

  @Column('timestamptz', { name: 'modified_at' })
  modified!: Date;

  @Column('timestamptz', { name: 'removed_at', nullable: true })
  removed!: Date | null;

  @CreateDateColumn({ name: 'made_at', type: 'timestamptz' })
  made!: Date;
}

/** The same names, found by TypeORM's own decorators. */
@Entity('papers')
@SyncTable({ ownerColumn: 'author' })
class Paper {
  @PrimaryColumn('text')
  sku!: string;

  @Column('text')
  author!: string;

  @Column('text', { nullable: true })
  title!: string | null;

  @UpdateDateColumn({ name: 'modified_at', type: 'timestamptz' })
  modified!: Date;

  @DeleteDateColumn({ name: 'removed_at', type: 'timestamptz' })
  removed!: Date | null;
}

const ENTITIES = [
  Project,
  Step,
  Remark,
  Tag,
  Namesake,
  PrivateTag,
  Label,
  TeamLabel,
  Report,
  Country,
  Article,
  Paper,
];

class Teams extends SubscriptionResolver {
  override resolveSubscriptions(userId: string): readonly string[] {
    return [bucketOf('user:', userId), 'global', ...(userId === 'alice' ? ['team:red'] : [])];
  }
}

const OWNED = 'user_id text, title text';
const NAMED = `(sku text PRIMARY KEY, author text NOT NULL, title text, made_at timestamptz DEFAULT now(),
  modified_at timestamptz NOT NULL DEFAULT now(), removed_at timestamptz)`;

describe('the options of a table', () => {
  let database: TestDatabase;
  let app: RunningApp;
  let alice: Device;
  let bob: Device;
  let contract: ReadonlyMap<string, SchemaTable & Record<string, unknown>>;
  let listed: ReadonlyMap<string, Record<string, unknown>>;

  beforeAll(async () => {
    database = await createDatabase();
    await database.query(
      createTableSql('projects', `${OWNED}, status text DEFAULT 'new', internal text DEFAULT 'inside'`),
    );
    await database.query(createTableSql('steps', 'project_id uuid NOT NULL REFERENCES projects, title text'));
    await database.query(createTableSql('remarks', 'about uuid NOT NULL REFERENCES steps'));
    for (const name of ['tags', 'private_tags', 'reports']) await database.query(createTableSql(name, OWNED));
    for (const name of ['labels', 'team_labels'])
      await database.query(createTableSql(name, `${OWNED}, team text`));
    await database.query(
      createTableSql(
        'namesakes',
        `${OWNED}, d text, t text, n text, record_id text, bucket_id text, "it's ""so""" text`,
      ),
    );
    await database.query(createTableSql('countries', 'title text'));
    for (const name of ['articles', 'papers']) await database.query(`CREATE TABLE ${name} ${NAMED}`);
    app = await startWalApp(database, ENTITIES, {
      providers: [{ provide: SubscriptionResolver, useClass: Teams }],
    });
    [alice, bob] = [new Device(app.url, 'alice'), new Device(app.url, 'bob')];
    for (const device of [alice, bob]) await device.start();
    contract = new Map((await alice.schema()).tables.map((table) => [table.table_name, { ...table }]));
    const { tables } = (await alice.send('tables')).json as unknown as { tables: Record<string, unknown>[] };
    listed = new Map(tables.map((table) => [String(table['table_name']), table]));
  });

  afterAll(async () => {
    await app.close();
    await database.drop();
  });

  async function stored(table: string, id: string, key = 'id'): Promise<Row | undefined> {
    const [row] = await database.query<Row>(`SELECT * FROM ${table} WHERE ${key}::text = $1`, [id]);
    return row;
  }

  async function insert(table: string, values: Readonly<Record<string, string | null>>): Promise<string> {
    const id = randomUUID();
    const columns = Object.keys(values);
    await database.query(
      `INSERT INTO ${table} (id, ${columns.join(', ')}) VALUES ($1, ${columns.map((_, n) => `$${n + 2}`).join(', ')})`,
      [id, ...Object.values(values)],
    );
    await applied(database);
    return id;
  }

  it('pushPolicy is owner_only with an owner or a parent, else disabled, unless it is given', () => {
    const policies = Object.fromEntries([...contract].map(([name, table]) => [name, table.push_policy]));
    expect(policies).toMatchObject({
      projects: 'owner_only',
      steps: 'owner_only',
      remarks: 'owner_only',
      countries: 'disabled',
      reports: 'disabled',
    });
    for (const [name, policy] of Object.entries(policies))
      expect(listed.get(name)?.['push_policy']).toBe(policy);
  });

  it('pushPolicy disabled lets nobody write, the owner neither, who still reads [scenario 118]', async () => {
    expect(await create(alice, 'countries', { title: 'mine' })).toMatchObject({
      reason_code: 'table_read_only',
    });
    const report = await insert('reports', { user_id: 'alice', title: 'hers' });
    expect(await update(alice, 'reports', report, { title: 'changed' })).toMatchObject({
      status: 'rejected_terminal',
      reason_code: 'table_read_only',
    });
    expect(await stored('reports', report)).toMatchObject({ title: 'hers' });
    await alice.pull();
    expect(alice.row('reports', report)).toMatchObject({ title: 'hers' });
  });

  it('ownerColumn is the pushing user on create, whatever the device says, and stays on update [scenario 19] [scenario 20] [scenario 22]', async () => {
    const id = randomUUID();
    expect(await create(bob, 'private_tags', { user_id: 'alice', title: 'a' }, id)).toMatchObject({
      status: 'applied',
    });
    expect(await stored('private_tags', id)).toMatchObject({ user_id: 'bob' });
    await update(bob, 'private_tags', id, { user_id: 'alice', title: 'b' });
    expect(await stored('private_tags', id)).toMatchObject({ user_id: 'bob', title: 'b' });
    await applied(database);
    expect(await edgesOf(database, 'private_tags', id)).toEqual(['user:bob']);
  });

  it('ownerColumn decides alone who writes: what is seen by all is not written by all', async () => {
    const tag = await insert('tags', { user_id: null, title: 'everyone' });
    expect(await update(bob, 'tags', tag, { title: 'bobs' })).toMatchObject({
      reason_code: 'ownership_violation',
    });
    expect(await stored('tags', tag)).toMatchObject({ title: 'everyone' });
  });

  it('parentFkColumn is taken on create, and stays on update [scenario 19] [scenario 20] [scenario 23] [scenario 26]', async () => {
    const [here, there, step] = [randomUUID(), randomUUID(), randomUUID()];
    await create(alice, 'projects', { title: 'here' }, here);
    await create(alice, 'projects', { title: 'there' }, there);
    expect(await create(alice, 'steps', { project_id: here, title: 'a' }, step)).toMatchObject({
      status: 'applied',
    });
    await update(alice, 'steps', step, { project_id: there, title: 'b' });
    expect(await stored('steps', step)).toMatchObject({ project_id: here, title: 'b' });
  });

  it('parent gives ownership and buckets at any depth, beside those of the own bucketByColumn', async () => {
    const project = await insert('projects', { user_id: 'alice' });
    const step = await insert('steps', { project_id: project });
    const remark = await insert('remarks', { about: step });
    expect(await edgesOf(database, 'steps', step)).toEqual(['user:alice']);
    expect(await edgesOf(database, 'remarks', remark)).toEqual([`step:${step}`, 'user:alice']);
    expect(await create(bob, 'remarks', { about: step })).toMatchObject({ status: 'rejected_terminal' });
    expect(await create(alice, 'remarks', { about: step })).toMatchObject({ status: 'applied' });
    expect(contract.get('remarks')).toMatchObject({ parent_table: 'steps', parent_fk_col: 'about' });
    expect(listed.get('steps')).toMatchObject({ parent_table: 'projects', parent_fk_col: 'project_id' });
  });

  it('syncColumns are one set, with key and timestamps: in the contract, in every answer, and in what is written [W-SCH-4] [W-PUSH-7]', async () => {
    const seen = ['deleted_at', 'id', 'status', 'title', 'updated_at'];
    expect(
      contract
        .get('projects')
        ?.columns.map(({ name }) => name)
        .toSorted(),
    ).toEqual(seen);

    const id = randomUUID();
    await create(alice, 'projects', { title: 'a', internal: 'mine' }, id);
    await update(alice, 'projects', id, { title: 'b', internal: 'mine' });
    expect(await stored('projects', id)).toMatchObject({ title: 'b', internal: 'inside', user_id: 'alice' });

    await applied(database);
    const page = await alice.pullPage();
    const pulled = page.changes.find((record) => record.id === id);
    expect(Object.keys(pulled?.data ?? {}).toSorted()).toEqual(seen);
    const records = (await new Device(app.url, 'alice', alice.clientId).snapshotPage({ limit: 1000 }))
      .records;
    expect(Object.keys(records.find((record) => record.id === id)?.data ?? {}).toSorted()).toEqual(seen);
    const lost = await pushOne(alice, {
      id,
      table_name: 'projects',
      operation: 'update',
      data: { title: 'too late' },
      client_updated_at: '2020-01-01T00:00:00Z',
    });
    expect(Object.keys(lost.server_version?.data ?? {}).toSorted()).toEqual(seen);
  });

  it('columns may have any name [scenario 77] [scenario 78]', async () => {
    const device = new Device(app.url, 'carol');
    await device.start();
    const names = { d: 'D', t: 'T', n: 'N', record_id: 'R', bucket_id: 'B', [`it's "so"`]: 'Q' };
    const id = device.create('namesakes', { user_id: 'carol', ...names });
    await device.pushPending();
    await applied(database);
    const other = new Device(app.url, 'carol');
    await other.start();
    expect(other.row('namesakes', id)).toMatchObject(names);
    other.update('namesakes', id, { d: 'DD' });
    await other.pushPending();
    await applied(database);
    await device.pull();
    expect(device.row('namesakes', id)).toMatchObject({ ...names, d: 'DD' });
    const lost = await pushOne(device, {
      id,
      table_name: 'namesakes',
      operation: 'update',
      data: { d: 'too late' },
      client_updated_at: '2020-01-01T00:00:00Z',
    });
    expect(lost.server_version?.data).toMatchObject({ ...names, d: 'DD' });
  });

  it('protectedColumns are read, and never written by a device [scenario 20] [scenario 24] [scenario 25]', async () => {
    const id = randomUUID();
    await create(alice, 'projects', { title: 'a', status: 'done' }, id);
    expect(await stored('projects', id)).toMatchObject({ status: 'new' });
    await update(alice, 'projects', id, { title: 'b', status: 'done' });
    expect(await stored('projects', id)).toMatchObject({ title: 'b', status: 'new' });
  });

  it('dependencies are in the order of their names', () => {
    const sorted = ['labels', 'projects', 'tags'];
    expect(contract.get('steps')?.dependencies).toEqual(sorted);
    expect(listed.get('steps')?.['dependencies']).toEqual(sorted);
    expect(contract.get('tags')).not.toHaveProperty('dependencies');
    expect(listed.get('tags')?.['dependencies']).toEqual([]);
  });

  describe.each([
    ['given', 'articles'],
    ["TypeORM's", 'papers'],
  ])('idColumn, updatedAtColumn and deletedAtColumn, %s [scenario 194]', (_, table) => {
    it('are what the contract and the rows go by', async () => {
      expect(contract.get(table)).toMatchObject({
        primary_key: ['sku'],
        updated_at_column: 'modified_at',
        deleted_at_column: 'removed_at',
      });
      expect(listed.get(table)).toMatchObject({
        updated_at_column: 'modified_at',
        deleted_at_column: 'removed_at',
      });
      const device = new Device(app.url, 'alice');
      await device.start();
      const sku = randomUUID();
      device.create(table, { author: 'alice', title: 'a' }, sku);
      await device.pushPending();
      await applied(database);
      await alice.pull();
      expect(alice.row(table, sku)).toMatchObject({ sku, title: 'a', removed_at: null });
      device.update(table, sku, { title: 'b' });
      await device.pushPending();
      await applied(database);
      await alice.pull();
      expect(alice.row(table, sku)).toMatchObject({ title: 'b' });
      device.delete(table, sku);
      await device.pushPending();
      expect(await stored(table, sku, 'sku')).toMatchObject({ removed_at: expect.any(Date) as Date });
      await applied(database);
      await alice.pull();
      expect(alice.row(table, sku)).toBeUndefined();
    });

    it('are never written by a device [scenario 20] [scenario 25] [W-REG-1]', async () => {
      const sku = randomUUID();
      const forged = {
        modified_at: '2001-01-01T00:00:00Z',
        removed_at: '2001-01-01T00:00:00Z',
        sku: 'other',
      };
      await create(alice, table, { title: 'a', ...forged }, sku);
      await update(alice, table, sku, { title: 'b', ...forged });
      const row = await stored(table, sku, 'sku');
      expect(row).toMatchObject({ title: 'b', removed_at: null });
      expect(JSON.stringify(row)).not.toContain('2001');
      expect(await stored(table, 'other', 'sku')).toBeUndefined();
    });
  });

  it('bucketByColumn and bucketPrefix name the bucket; the owner column and user: do when they are not given', async () => {
    const label = await insert('labels', { user_id: 'bob', team: 'red' });
    const plain = await insert('team_labels', { user_id: 'bob', team: 'red' });
    const tag = await insert('private_tags', { user_id: 'bob' });
    expect(await edgesOf(database, 'labels', label)).toEqual(['team:red']);
    expect(await edgesOf(database, 'team_labels', plain)).toEqual(['user:red']);
    expect(await edgesOf(database, 'private_tags', tag)).toEqual(['user:bob']);
    for (const list of [contract, listed]) {
      expect(list.get('labels')).toMatchObject({ bucket_by_column: 'team', bucket_prefix: 'team:' });
      expect(list.get('team_labels')).toMatchObject({ bucket_by_column: 'team', bucket_prefix: 'user:' });
      expect(list.get('private_tags')).toMatchObject({ bucket_by_column: 'user_id', bucket_prefix: 'user:' });
      expect(list.get('steps')).not.toHaveProperty('bucket_by_column');
      expect(list.get('steps')).not.toHaveProperty('bucket_prefix');
    }
    await alice.pull();
    expect(alice.row('labels', label), 'subscribed to team:red').toBeDefined();
    await bob.pull();
    expect(bob.row('labels', label), 'its owner, not in the team').toBeUndefined();
  });

  it.each([null, ''])(
    'globalWhenBucketNull puts a row whose bucket column is %j into global',
    async (nothing) => {
      const label = await insert('labels', { user_id: 'alice', team: nothing });
      const plain = await insert('team_labels', { user_id: 'alice', team: nothing });
      expect(await edgesOf(database, 'labels', label)).toEqual(['global']);
      expect(await edgesOf(database, 'team_labels', plain)).toEqual([]);
      await bob.pull();
      expect(bob.row('labels', label)).toBeDefined();
      for (const list of [contract, listed]) {
        expect(list.get('labels')).toMatchObject({ global_when_bucket_null: true, allow_global_read: true });
        expect(list.get('team_labels')).not.toHaveProperty('global_when_bucket_null');
      }
    },
  );

  it('allowGlobalRead brings rows without an owner to everyone, where the bucket column is the owner', async () => {
    const shared = await insert('tags', { user_id: null });
    const mine = await insert('tags', { user_id: 'alice' });
    const hidden = await insert('private_tags', { user_id: null });
    await bob.pull();
    expect([...bob.rows('tags').keys()]).toContain(shared);
    expect([...bob.rows('tags').keys()]).not.toContain(mine);
    expect(await edgesOf(database, 'private_tags', hidden)).toEqual([]);
    for (const list of [contract, listed]) {
      expect(list.get('tags')).toMatchObject({ global_when_bucket_null: true, allow_global_read: true });
      expect(list.get('private_tags')).not.toHaveProperty('allow_global_read');
    }
  });
});

async function pushOne(device: Device, change: PushChange): Promise<PushResult> {
  const { accepted, rejected } = await device.push([change]);
  const [result] = [...accepted, ...rejected];
  if (!result) throw new Error('no verdict');
  return result;
}

async function create(
  device: Device,
  table: string,
  data: Row,
  id: string = randomUUID(),
): Promise<PushResult> {
  return pushOne(device, { id, table_name: table, operation: 'create', data });
}

async function update(device: Device, table: string, id: string, data: Row): Promise<PushResult> {
  return pushOne(device, { id, table_name: table, operation: 'update', data });
}
