import {
  ChildEntity,
  Column,
  DataSource,
  DeleteDateColumn,
  Entity,
  JoinTable,
  ManyToMany,
  PrimaryColumn,
  TableInheritance,
  Tree,
  TreeChildren,
  TreeParent,
  UpdateDateColumn,
  ViewColumn,
  ViewEntity,
  VirtualColumn,
} from 'typeorm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { describeProblem } from '../../lib/common/errors.js';
import {
  synchroRlsSql,
  SyncTable,
  type EntityClass,
  type SyncRegistry,
  type SyncTableOptions,
} from '../../lib/index.js';
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

async function problems(...entities: readonly EntityClass[]): Promise<readonly string[]> {
  return (await discover(...entities)).findings.problems.map(describeProblem);
}

abstract class Row {
  @PrimaryColumn('uuid')
  id!: string;

  @Column('text')
  user_id!: string;

  @UpdateDateColumn({ type: 'timestamptz' })
  updated_at!: Date;

  @DeleteDateColumn({ type: 'timestamptz' })
  deleted_at!: Date | null;
}

const owned = { ownerColumn: 'user_id' };

/** An entity of this table name. */
function entity(table: string, options: SyncTableOptions = owned): EntityClass {
  @Entity(table)
  @SyncTable(options)
  class Named extends Row {}
  return Named;
}

describe('an entity that can not be a synced table is refused by name', () => {
  it('a child of single-table inheritance, whose table is that of its root', async () => {
    @Entity('animals')
    @SyncTable(owned)
    @TableInheritance({ column: { type: 'text', name: 'kind' } })
    class Animal extends Row {}
    @ChildEntity('cat')
    @SyncTable(owned)
    class Cat extends Animal {}
    expect(await problems(Animal, Cat)).toEqual([
      'Cat: @SyncTable: its rows are in the table of Animal, with those of its siblings (single-table inheritance); ' +
        'decorate Animal instead: devices get the columns of all kinds, and the discriminator',
    ]);
  });

  it.each([false, true])('a view (materialized: %s)', async (materialized) => {
    @ViewEntity({ name: 'open_rows', expression: 'SELECT 1 AS id', materialized })
    @SyncTable({ pushPolicy: 'disabled' })
    class OpenRows {
      @ViewColumn()
      id!: number;
    }
    expect(await problems(OpenRows)).toEqual([
      'OpenRows: @SyncTable: it is a view, whose changes are not in the write-ahead log; ' +
        'decorate the entities of the tables that it reads instead',
    ]);
  });

  describe.each(['closure-table', 'nested-set', 'materialized-path'] as const)('a tree (%s)', (type) => {
    function folders(options: SyncTableOptions): EntityClass {
      @Entity('folders')
      @SyncTable(options)
      @Tree(type)
      class Folder extends Row {
        @TreeParent()
        parent!: Folder | null;

        @TreeChildren()
        children!: Folder[];
      }
      return Folder;
    }

    it('that devices push into', async () => {
      const [line, ...others] = await problems(folders(owned));
      expect(others).toEqual([]);
      expect(line).toContain(`Folder: @Tree: its ${type} is kept by TypeORM alone`);
      expect(line).toContain("set pushPolicy: 'disabled'");
    });

    it('but not one that they read, nor a plain parent column', async () => {
      await expect(problems(folders({ pushPolicy: 'disabled' }))).resolves.toEqual([]);
      await expect(problems(entity('plain'))).resolves.toEqual([]);
    });
  });

  it('one whose parent was refused is not complained about as well', async () => {
    @ViewEntity({ name: 'seen', expression: 'SELECT 1 AS id' })
    @SyncTable()
    class Seen {
      @ViewColumn()
      id!: number;
    }
    const child = entity('children', { ...owned, parent: () => Seen, parentFkColumn: 'user_id' });
    await expect(problems(Seen, child)).resolves.toHaveLength(1);
  });
});

describe('the columns of an entity', () => {
  class Address {
    @Column('text')
    street!: string;
  }

  it('of an embedded one go by their path and by their name in the database', async () => {
    @Entity('people')
    @SyncTable({ ...owned, syncColumns: ['home.street', 'workStreet'], protectedColumns: ['work.street'] })
    class Person extends Row {
      @Column(() => Address)
      home!: Address;

      @Column(() => Address)
      work!: Address;
    }
    const registry = await discover(Person);
    expect(registry.findings.problems).toEqual([]);
    expect(registry.get('people')).toMatchObject({ syncColumns: ['homeStreet', 'workStreet'] });
    expect(registry.get('people').protectedColumns).toContain('workStreet');
  });

  it('that two embedded ones share are refused', async () => {
    @Entity('people')
    @SyncTable(owned)
    class Person extends Row {
      @Column(() => Address, { prefix: false })
      home!: Address;

      @Column(() => Address, { prefix: false })
      work!: Address;
    }
    expect(await problems(Person)).toEqual([
      'Person: street: home.street and work.street are the same column; ' +
        'give one of the embedded entities a prefix of its own: @Column(() => …, { prefix: … })',
    ]);
  });

  it('that are queries (@VirtualColumn) are none', async () => {
    @Entity('counted')
    @SyncTable({ ...owned, syncColumns: ['user_id', 'total'] })
    class Counted extends Row {
      @VirtualColumn({ query: () => 'SELECT 1' })
      total!: number;
    }
    expect(await problems(Counted)).toEqual([
      'Counted: syncColumns: there is no column or property total; name one of its columns: id, user_id, updated_at, deleted_at',
    ]);
  });

  it('of the root of single-table inheritance are those of all kinds', async () => {
    @Entity('animals')
    @SyncTable({ ...owned, protectedColumns: ['kind', 'lives'] })
    @TableInheritance({ column: { type: 'text', name: 'kind' } })
    class Animal extends Row {}
    @ChildEntity('cat')
    class Cat extends Animal {
      @Column('int')
      lives!: number;
    }
    @ChildEntity('dog')
    class Dog extends Animal {
      @Column('int')
      lives!: number;
    }
    expect(await problems(Animal, Cat, Dog)).toEqual([]);
  });
});

describe('a @ManyToMany relation', () => {
  @Entity('tags')
  class Tag extends Row {}

  @Entity('notes')
  @SyncTable(owned)
  class Note extends Row {
    @ManyToMany(() => Tag)
    @JoinTable({ name: 'note_tags' })
    tags!: Tag[];
  }

  it('is warned of, as its links are not synced', async () => {
    const { findings } = await discover(Note, Tag);
    expect(findings.problems).toEqual([]);
    expect(findings.warnings).toMatchObject([
      {
        entity: 'Note',
        option: 'tags',
        message: 'its links in the table note_tags are not synced',
        fix: expect.stringContaining('make the link an entity'),
      },
    ]);
  });

  it('but not where an entity of its own stands for the links', async () => {
    @Entity('note_tags')
    @SyncTable(owned)
    class NoteTag extends Row {}
    expect((await discover(Note, Tag, NoteTag)).findings).toEqual({ problems: [], warnings: [] });
  });
});

describe('names', () => {
  const OURS = ['changelog', 'clients', 'wal_position', 'bucket_edges', 'rule_failures', 'schema_manifest'];
  const RESERVED: readonly (readonly [table: string, why: string])[] = [
    ['_synchro_outbox', "begins like the client SDKs' own tables"],
    ['sqlite_master', "begins like SQLite's own tables"],
    ['SQLite_stats', "begins like SQLite's own tables"],
    ['android_metadata', 'is a table of every Android database'],
    ['grdb_migrations', "is a table of the Swift SDK's database library"],
    ...OURS.map((name) => [`sync_${name}`, 'is one of the sync tables themselves'] as const),
  ];

  it.each(RESERVED)('a table %s is refused', async (table, why) => {
    expect(await problems(entity(table))).toEqual([
      `Named: table name: ${table} ${why}; rename the table: @Entity('…')`,
    ]);
  });

  it('that only look like reserved ones are fine', async () => {
    const names = ['synchro_x', 'sqlite', 'my_sqlite_master', 'sync_clients_of_mine', 'syncs'];
    await expect(problems(...names.map((name) => entity(name)))).resolves.toEqual([]);
  });

  it('of tables that differ by case alone are refused', async () => {
    expect(await problems(entity('Orders'), entity('orders'))).toEqual([
      "Named: table name: Orders (Named) and orders are one name to SQLite, which ignores case; rename the table: @Entity('…')",
    ]);
    await expect(problems(entity('Éa'), entity('éa')), 'only of ASCII letters').resolves.toEqual([]);
  });

  it('of more than 63 bytes are refused', async () => {
    @Entity('long')
    @SyncTable(owned)
    class Long extends Row {
      @Column('text', { name: 'ö'.repeat(32) })
      umlauts!: string;

      @Column('text', { name: 'o'.repeat(63) })
      fits!: string;
    }
    const longName = 'x'.repeat(64);
    expect(await problems(Long, entity(longName))).toEqual([
      `Long: ${'ö'.repeat(32)}: ${'ö'.repeat(32)} is longer than the 63 bytes that PostgreSQL keeps of a name; give the column a shorter one: @Column({ name: '…' })`,
      `Named: table name: ${longName} is longer than the 63 bytes that PostgreSQL keeps of a name; rename the table: @Entity('…')`,
    ]);
  });
});

it('an entity that is in several DataSources is synced from each, by the options of its class', async () => {
  const shared = entity('shared');
  const [one, other] = await Promise.all([
    discover(shared, entity('one')),
    discover(shared, entity('other')),
  ]);
  expect(one.all().map(({ name }) => name)).toEqual(['shared', 'one']);
  expect(other.all().map(({ name }) => name)).toEqual(['shared', 'other']);
  expect(one.get('shared')).toEqual(other.get('shared'));
});

it('no policies are generated for entities that have a problem', async () => {
  const self: EntityClass = entity('self', { ...owned, parent: () => self, parentFkColumn: 'user_id' });
  const dataSource = new DataSource({ type: 'postgres', url: database.url, entities: [self] });
  await dataSource.initialize();
  try {
    await expect(synchroRlsSql(dataSource)).rejects.toMatchObject({
      code: 'configuration_invalid',
      problems: [{ entity: 'Named', option: 'parent' }],
    });
  } finally {
    await dataSource.destroy();
  }
});
