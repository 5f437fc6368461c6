import {
  Column,
  CreateDateColumn,
  DeleteDateColumn,
  Entity,
  JoinColumn,
  ManyToOne,
  PrimaryColumn,
  UpdateDateColumn,
  VersionColumn,
  type Relation,
} from 'typeorm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { describeProblem } from '../../lib/common/errors.js';
import { quoteIdentifier } from '../../lib/common/identifiers.js';
import { SyncTable, type EntityClass, type SyncRegistry, type SyncTableOptions } from '../../lib/index.js';
import type { SyncTable as RegisteredTable } from '../../lib/registry/sync-table.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { discoverIn } from '../support/discover.js';

let database: TestDatabase;

beforeAll(async () => {
  database = await createDatabase();
});

afterAll(() => database.drop());

function discover(...entities: readonly EntityClass[]): Promise<SyncRegistry> {
  return discoverIn(database.url, entities);
}

/** The only table of an app with this entity. */
async function discovered(entity: EntityClass): Promise<RegisteredTable> {
  const [table] = (await discover(entity)).all();
  if (!table) throw new Error('no table');
  return table;
}

/** What the app's start complains about, one line a problem. */
async function problems(...entities: readonly EntityClass[]): Promise<readonly string[]> {
  const { findings } = await discover(...entities);
  expect(findings.problems.map(({ code }) => code)).not.toContain(undefined);
  return findings.problems.map(describeProblem);
}

/** Columns that conventional tables have; properties are named otherwise. */
abstract class Columns {
  @PrimaryColumn('uuid')
  id!: string;

  @Column('text', { name: 'user_id', nullable: true })
  userId!: string | null;

  @Column('uuid', { name: 'parent_id', nullable: true })
  parentId!: string | null;

  @Column('text')
  name!: string;

  @Column('text', { name: 'product_code' })
  productCode!: string;

  @CreateDateColumn({ name: 'created_at' })
  createdAt!: Date;

  @UpdateDateColumn({ name: 'updated_at' })
  updatedAt!: Date;

  @DeleteDateColumn({ name: 'deleted_at' })
  deletedAt!: Date | null;
}

/** An entity of the name with {@link Columns}, registered for sync with the options. */
function entity(name: string, options: SyncTableOptions = {}): EntityClass {
  @Entity(name)
  @SyncTable(options)
  class Row extends Columns {}
  Object.defineProperty(Row, 'name', { value: name });
  return Row;
}

describe('what is inferred', () => {
  it('[scenario 1] an owner column makes the table pushable, and names its bucket', async () => {
    expect(await discovered(entity('orders', { ownerColumn: 'user_id' }))).toMatchObject({
      name: 'orders',
      schema: 'public',
      sql: '"public"."orders"',
      idColumn: 'id',
      updatedAtColumn: 'updated_at',
      deletedAtColumn: 'deleted_at',
      pushPolicy: 'owner_only',
      ownerColumn: 'user_id',
      bucketByColumn: 'user_id',
      bucketPrefix: 'user:',
      globalWhenBucketNull: false,
      allowGlobalRead: false,
      parent: null,
      parentFkColumn: null,
      dependencies: [],
      syncColumns: null,
      depth: 0,
    });
  });

  it('without an owner or a parent, clients only read the table', async () => {
    expect(await discovered(entity('categories'))).toMatchObject({
      pushPolicy: 'disabled',
      bucketByColumn: null,
      bucketPrefix: null,
    });
  });

  it('rows without an owner are global where the table allows that and the bucket column is its owner', async () => {
    const inferred = entity('a', { ownerColumn: 'user_id', allowGlobalRead: true });
    const named = entity('a', { ownerColumn: 'user_id', bucketByColumn: 'user_id', allowGlobalRead: true });
    expect(await discovered(inferred)).toMatchObject({ globalWhenBucketNull: true });
    expect(await discovered(named)).toMatchObject({ globalWhenBucketNull: false });
  });

  it('a bucket column has the prefix user: unless another one is given, also an empty one', async () => {
    const prefixes = await Promise.all(
      [{}, { bucketPrefix: 'task:' }, { bucketPrefix: '' }].map(async (options) => {
        const table = await discovered(entity('a', { bucketByColumn: 'parent_id', ...options }));
        return table.bucketPrefix;
      }),
    );
    expect(prefixes).toEqual(['user:', 'task:', '']);
  });

  it('[scenario 2] the key, the timestamps and the version come from TypeORM', async () => {
    @Entity('documents', { schema: 'archive' })
    @SyncTable({ ownerColumn: 'owner' })
    class Document {
      @PrimaryColumn('text', { name: 'doc_id' })
      key!: string;

      @Column('text', { name: 'owner_id' })
      owner!: string;

      @Column('text', { select: false })
      secret!: string;

      @VersionColumn({ name: 'row_version' })
      version!: number;

      @CreateDateColumn({ name: 'made_at' })
      made!: Date;

      @UpdateDateColumn({ name: 'modified_at' })
      modified!: Date;

      @DeleteDateColumn({ name: 'removed_at' })
      removed!: Date | null;
    }
    expect(await discovered(Document)).toMatchObject({
      schema: 'archive',
      sql: '"archive"."documents"',
      idColumn: 'doc_id',
      ownerColumn: 'owner_id',
      updatedAtColumn: 'modified_at',
      deletedAtColumn: 'removed_at',
      versionColumn: 'row_version',
      hiddenColumns: ['secret'],
      protectedColumns: new Set([
        'doc_id',
        'owner_id',
        'row_version',
        'made_at',
        'modified_at',
        'removed_at',
      ]),
    });
  });

  it('what is given wins over what TypeORM knows', async () => {
    @Entity('odd')
    @SyncTable({
      idColumn: 'code',
      updatedAtColumn: 'touched',
      deletedAtColumn: 'gone',
      pushPolicy: 'disabled',
    })
    class Odd extends Columns {
      @Column('text')
      code!: string;

      @Column('timestamptz')
      touched!: Date;

      @Column('timestamptz')
      gone!: Date;
    }
    expect(await discovered(Odd)).toMatchObject({
      idColumn: 'code',
      updatedAtColumn: 'touched',
      deletedAtColumn: 'gone',
    });
  });

  it("the parent's foreign key is the join column of the relation to it", async () => {
    const Project = entity('projects', { ownerColumn: 'user_id' });
    @Entity('steps')
    @SyncTable({ parent: () => Project })
    class Step extends Columns {
      @ManyToOne(() => Project)
      @JoinColumn({ name: 'project_id' })
      project!: Relation<object>;
    }
    const registry = await discover(Project, Step);
    expect(registry.get('steps')).toMatchObject({
      parent: 'projects',
      parentFkColumn: 'project_id',
      pushPolicy: 'owner_only',
      bucketByColumn: null,
      depth: 1,
    });
    expect(registry.get('steps').protectedColumns).toContain('project_id');
    expect(registry.children('projects').map(({ name }) => name)).toEqual(['steps']);
    expect(registry.ancestors(registry.get('steps')).map(({ name }) => name)).toEqual(['projects']);
  });

  it('columns may be named by the database or by the entity', async () => {
    const byProperty = await discovered(
      entity('a', {
        ownerColumn: 'userId',
        bucketByColumn: 'parentId',
        protectedColumns: ['productCode'],
        syncColumns: ['id', 'name', 'userId'],
        updatedAtColumn: 'updatedAt',
      }),
    );
    const byColumn = await discovered(
      entity('a', {
        ownerColumn: 'user_id',
        bucketByColumn: 'parent_id',
        protectedColumns: ['product_code'],
        syncColumns: ['id', 'name', 'user_id'],
        updatedAtColumn: 'updated_at',
      }),
    );
    expect(byProperty).toEqual(byColumn);
    expect(byProperty).toMatchObject({ ownerColumn: 'user_id', syncColumns: ['id', 'name', 'user_id'] });
  });

  it('dependencies and bucket sources are resolved to tables', async () => {
    @Entity('shares')
    class Share {
      @PrimaryColumn('uuid', { name: 'order_id' })
      orderId!: string;

      @PrimaryColumn('text', { name: 'with_user' })
      withUser!: string;
    }
    const Product = entity('products');
    const Category = entity('categories');
    const Order = entity('orders', {
      ownerColumn: 'user_id',
      dependencies: [() => Product, () => Category],
      bucketSources: [{ entity: () => Share, fkColumn: 'orderId' }],
    });
    expect((await discover(Product, Category, Share, Order)).get('orders')).toMatchObject({
      dependencies: ['categories', 'products'],
      bucketSources: [{ schema: 'public', relation: 'shares', fkColumn: 'order_id' }],
    });
  });

  it('a decoration is not inherited', async () => {
    @SyncTable({ ownerColumn: 'user_id' })
    abstract class Decorated extends Columns {}
    @Entity('plain')
    class Plain extends Decorated {}
    const registry = await discover(Plain, entity('orders', { ownerColumn: 'user_id' }));
    expect(registry.all().map(({ name }) => name)).toEqual(['orders']);
  });
});

describe('the registry', () => {
  it('[scenarios 3, 4, 6, 7] has the tables in the order of the entities, and finds them by name', async () => {
    @Entity('unsynced')
    class Unsynced extends Columns {}
    const owner = { ownerColumn: 'user_id' };
    const registry = await discover(
      entity('orders', owner),
      Unsynced,
      entity('categories', { pushPolicy: 'disabled' }),
      entity('a_last_one', owner),
    );
    expect(registry.all().map(({ name }) => name)).toEqual(['orders', 'categories', 'a_last_one']);
    expect(registry.find('orders')).toMatchObject({ pushPolicy: 'owner_only' });
    expect(registry.find('categories')).toMatchObject({ pushPolicy: 'disabled' });
    expect(registry.find('unsynced')).toBeUndefined();
    expect(registry.find('nowhere')).toBeUndefined();
    expect(() => registry.get('nowhere')).toThrow('table nowhere is not registered for sync');
  });

  it('[scenario 5] gives a list that is not its own to change', async () => {
    const registry = await discover(entity('orders', { ownerColumn: 'user_id' }), entity('categories'));
    const names = registry.all().map(({ name }) => name);
    names.reverse();
    expect(registry.all().map(({ name }) => name)).toEqual(['orders', 'categories']);
    expect(() => (registry.all() as RegisteredTable[]).pop()).toThrow(TypeError);
    expect(registry.all()).toHaveLength(2);
  });

  it('gives parents before their children, at any depth', async () => {
    const A = entity('a', { ownerColumn: 'user_id' });
    const B = entity('b', { parent: () => A, parentFkColumn: 'parent_id' });
    const C = entity('c', { parent: () => B, parentFkColumn: 'parent_id' });
    const registry = await discover(C, B, A);
    expect(registry.parentsFirst().map(({ name, depth }) => [name, depth])).toEqual([
      ['a', 0],
      ['b', 1],
      ['c', 2],
    ]);
    expect(registry.ancestors(registry.get('c')).map(({ name }) => name)).toEqual(['b', 'a']);
  });

  it('gives tables of one depth by name, whatever the order in which they were imported [W-SNAP-5]', async () => {
    const [B, A] = [entity('b', { ownerColumn: 'user_id' }), entity('a', { ownerColumn: 'user_id' })];
    const registry = await discover(B, A);
    expect(registry.all().map(({ name }) => name)).toEqual(['b', 'a']);
    expect(registry.parentsFirst().map(({ name }) => name)).toEqual(['a', 'b']);
  });

  it('of one app is not that of another', async () => {
    const [one, two] = await Promise.all([
      discover(entity('orders', { ownerColumn: 'user_id' })),
      discover(entity('invoices', { ownerColumn: 'user_id' })),
    ]);
    expect([one.find('invoices'), two.find('orders')]).toEqual([undefined, undefined]);
  });
});

describe('what a client can never write', () => {
  it('[scenario 21] is the key, the owner, the parent, the timestamps and what the host adds', async () => {
    const Parent = entity('parents', { ownerColumn: 'user_id' });
    const Child = entity('children', {
      ownerColumn: 'user_id',
      parent: () => Parent,
      parentFkColumn: 'parent_id',
      protectedColumns: ['product_code'],
    });
    const child = (await discover(Parent, Child)).get('children');
    const isProtected = (column: string): boolean => child.protectedColumns.has(column);
    for (const column of [
      'id',
      'user_id',
      'parent_id',
      'created_at',
      'updated_at',
      'deleted_at',
      'product_code',
    ]) {
      expect(isProtected(column), column).toBe(true);
    }
    for (const column of ['name', 'description']) expect(isProtected(column), column).toBe(false);
  });

  it('includes the configured timestamps, not the conventional names alone [W-REG-1]', async () => {
    @Entity('odd')
    @SyncTable({ ownerColumn: 'user_id', updatedAtColumn: 'modified_at', deletedAtColumn: 'removed_at' })
    class Odd extends Columns {
      @Column('timestamptz', { name: 'modified_at' })
      modified!: Date;

      @Column('timestamptz', { name: 'removed_at' })
      removed!: Date | null;
    }
    const { protectedColumns } = await discovered(Odd);
    expect(protectedColumns).toContain('modified_at');
    expect(protectedColumns).toContain('removed_at');
  });
});

describe('the start of an app is refused', () => {
  const owner = { ownerColumn: 'user_id' };

  it('when no entity is decorated', async () => {
    @Entity('unsynced')
    class Unsynced extends Columns {}
    expect(await problems(Unsynced)).toEqual([
      'DataSource: entities: none of them is decorated with @SyncTable(); decorate the entities that devices should have',
    ]);
  });

  it('[scenario 8] when a parent is not registered', async () => {
    @Entity('parents')
    class Parent extends Columns {}
    const child = entity('children', { parent: () => Parent, parentFkColumn: 'parent_id' });
    expect(await problems(Parent, child)).toContain(
      'children: parent: Parent is not registered for sync; decorate Parent with @SyncTable()',
    );
    expect(await problems(child)).toContain(
      'children: parent: Parent is not registered for sync; decorate Parent with @SyncTable()',
    );
  });

  it("[scenario 9] when tables are each other's parents, or their own", async () => {
    const one: EntityClass = entity('one', { ...owner, parent: () => two, parentFkColumn: 'parent_id' });
    const two: EntityClass = entity('two', { ...owner, parent: () => one, parentFkColumn: 'parent_id' });
    expect(await problems(one, two)).toEqual([
      'one: parent: one → two → one is a cycle; take parent off one of them',
      'two: parent: two → one → two is a cycle; take parent off one of them',
    ]);
    const self: EntityClass = entity('self', { ...owner, parent: () => self, parentFkColumn: 'parent_id' });
    expect(await problems(self)).toEqual([
      'self: parent: self → self is a cycle; take parent off one of them',
    ]);
  });

  it('[scenario 10] when the root of a chain has no owner, even if the child has one', async () => {
    const root = entity('roots', { pushPolicy: 'disabled' });
    const child = entity('children', { ...owner, parent: () => root, parentFkColumn: 'parent_id' });
    expect(await problems(root, child)).toEqual([
      'children: parent: the chain ends at roots, which has no owner; set ownerColumn, members or writeFunction on roots',
    ]);
  });

  it('[scenario 11] when a table that clients push belongs to nobody', async () => {
    expect(await problems(entity('a', { pushPolicy: 'owner_only' }))).toEqual([
      "a: pushPolicy: clients push into the table, but its rows have no owner; set ownerColumn, parent, members or writeFunction, or pushPolicy: 'disabled'",
    ]);
  });

  it("[scenario 12] when the parent's foreign key is not known", async () => {
    const parent = entity('parents', owner);
    expect(await problems(parent, entity('children', { parent: () => parent }))).toContain(
      'children: parentFkColumn: there is no relation to parents; name the foreign key column',
    );
    @Entity('both')
    @SyncTable({ parent: () => parent })
    class Both extends Columns {
      @ManyToOne(() => parent)
      @JoinColumn({ name: 'first_id' })
      first!: Relation<object>;

      @ManyToOne(() => parent)
      @JoinColumn({ name: 'second_id' })
      second!: Relation<object>;
    }
    expect(await problems(parent, Both)).toContain(
      'Both: parentFkColumn: there are several relations to parents; name the foreign key column',
    );
  });

  it.each(['created_at', 'updated_at', 'deleted_at', 'id', 'user_id'])(
    '[scenarios 13, 14, 15] when %s is protected once more',
    async (column) => {
      expect(await problems(entity('a', { ...owner, protectedColumns: ['name', column] }))).toEqual([
        `a: protectedColumns: ${column} is always protected; remove it from the list`,
      ]);
    },
  );

  it('[scenario 16] when the push policy is neither of the two', async () => {
    const invalid = { pushPolicy: 'invalid' } as unknown as SyncTableOptions;
    expect(await problems(entity('a', { ...owner, ...invalid }))).toEqual([
      'a: pushPolicy: invalid is none; it is owner_only or disabled',
    ]);
  });

  it('[scenario 17] when null buckets are global without global reading', async () => {
    expect(await problems(entity('a', { ...owner, globalWhenBucketNull: true }))).toEqual([
      'a: globalWhenBucketNull: rows in global are read by everyone; it needs allowGlobalRead: true',
    ]);
  });

  it('when two tables have one name [W-REG-2]', async () => {
    const orders = entity('orders', owner);
    @Entity('orders', { schema: 'archive' })
    @SyncTable({ ownerColumn: 'user_id' })
    class Archived extends Columns {}
    expect(await problems(orders, Archived)).toEqual([
      "Archived: table name: public.orders and archive.orders have the same name on the wire; rename the table: @Entity('…')",
    ]);
  });

  it('when a name is neither a column nor a property, with the columns that there are', async () => {
    expect(await problems(entity('a', { ownerColumn: 'userid' }))).toEqual([
      'a: ownerColumn: there is no column or property userid; name one of its columns: ' +
        'id, user_id, parent_id, name, product_code, created_at, updated_at, deleted_at',
    ]);
  });

  it('when the key has several columns', async () => {
    @Entity('pairs')
    @SyncTable({ pushPolicy: 'disabled' })
    class Pair {
      @PrimaryColumn('uuid')
      one!: string;

      @PrimaryColumn('uuid')
      two!: string;
    }
    expect(await problems(Pair)).toEqual([
      'Pair: idColumn: its primary key is (one, two), but clients know a record by one column; ' +
        'ALTER TABLE "public"."pairs" ADD COLUMN sync_id uuid NOT NULL DEFAULT gen_random_uuid() CONSTRAINT "pairs_sync_id" UNIQUE; ' +
        'ALTER TABLE "public"."pairs" REPLICA IDENTITY USING INDEX "pairs_sync_id"; ' +
        "add the column to the entity, and idColumn: 'sync_id' to its @SyncTable",
    ]);
  });

  it('when dependencies or bucket sources are no entities, or their column is none', async () => {
    class Nothing {}
    const options = { ...owner, dependencies: [() => Nothing] };
    const Source = entity('sources', owner);
    expect(
      await problems(
        Source,
        entity('a', { ...options, bucketSources: [{ entity: () => Nothing, fkColumn: 'x' }] }),
        entity('b', { ...owner, bucketSources: [{ entity: () => Source, fkColumn: 'a_id' }] }),
      ),
    ).toEqual([
      'a: dependencies: Nothing is no entity of the DataSource; remove it',
      'a: bucketSources: Nothing is no entity of the DataSource; add Nothing to its entities',
      expect.stringContaining('sources: bucketSources.fkColumn: there is no column or property a_id'),
    ]);
  });

  it('with all problems in one error', async () => {
    const lines = await problems(
      entity('a', { ownerColumn: 'nobody', globalWhenBucketNull: true }),
      entity('b', { pushPolicy: 'owner_only' }),
      entity('c', { ...owner, protectedColumns: ['id'] }),
    );
    expect(lines.map((line) => line.split(':').slice(0, 2).join(':'))).toEqual([
      'a: ownerColumn',
      'c: protectedColumns',
      'a: globalWhenBucketNull',
      'b: pushPolicy',
    ]);
  });

  it('[scenario 18] but not with an owned table, a child of it with an owner, and one to read', async () => {
    const orders = entity('orders', owner);
    const details = entity('details', { ...owner, parent: () => orders, parentFkColumn: 'parent_id' });
    const registry = await discover(orders, details, entity('categories', { pushPolicy: 'disabled' }));
    expect(registry.all()).toHaveLength(3);
    expect(registry.findings).toEqual({ problems: [], warnings: [] });
  });
});

describe('[scenarios 29, 30, 31, 32] a quoted identifier', () => {
  it.each([
    ['orders', '"orders"'],
    ['or"ders', '"or""ders"'],
    ['"a"b"', '"""a""b"""'],
    ['', '""'],
  ])('of %j is %s', (name, quoted) => {
    expect(quoteIdentifier(name)).toBe(quoted);
  });
});
