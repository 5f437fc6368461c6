import { randomUUID } from 'node:crypto';
import { SyncTable } from 'nestjs-synchro';
import {
  ChildEntity,
  Column,
  DataSource,
  Entity,
  TableInheritance,
  VersionColumn,
  VirtualColumn,
} from 'typeorm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { RunningApp } from '../support/app.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { Device } from '../support/device.js';
import { applied, startWalApp, SyncedRow } from '../support/wal-app.js';
import type { Json, Row } from '../support/wire.js';

class Address {
  @Column('text', { default: '' })
  street!: string;
}

const euros = { to: (value: number) => value * 100, from: (value: number) => value / 100 };

@Entity('things')
@SyncTable<Thing>({ ownerColumn: 'user_id', protectedColumns: ['address.street'] })
class Thing extends SyncedRow {
  @Column('text')
  user_id!: string;

  @Column(() => Address)
  address!: Address;

  @Column('enum', { enum: ['red', 'dark blue'], array: true, default: [] })
  colours!: string[];

  /** Cents in the database, euros in the app. */
  @Column('int', { transformer: euros })
  price!: number;

  @Column({ type: 'int', generatedType: 'STORED', asExpression: 'price * 2', nullable: true })
  double!: number;

  @Column('text', { select: false, default: 'hidden' })
  secret!: string;

  @VersionColumn()
  version!: number;

  @VirtualColumn({ query: (alias) => `SELECT length(${alias}.user_id)` })
  letters!: number;
}

@Entity('animals')
@SyncTable({ ownerColumn: 'user_id' })
@TableInheritance({ column: { type: 'text', name: 'kind' } })
class Animal extends SyncedRow {
  @Column('text')
  user_id!: string;
}

@ChildEntity('cat')
class Cat extends Animal {
  @Column('int', { nullable: true })
  lives!: number | null;
}

let database: TestDatabase;
/** As the host's own code would write. */
let dataSource: DataSource;
let app: RunningApp;
let device: Device;

beforeAll(async () => {
  database = await createDatabase();
  const entities = [Thing, Animal, Cat];
  dataSource = await new DataSource({
    type: 'postgres',
    url: database.url,
    entities,
    synchronize: true,
  }).initialize();
  app = await startWalApp(database, entities);
  device = new Device(app.url, 'alice');
  await device.start();
});

afterAll(async () => {
  await app.close();
  await dataSource.destroy();
  await database.drop();
});

async function pulled(table: string, id: string): Promise<Row | undefined> {
  await applied(database);
  await device.sync();
  return device.row(table, id);
}

describe("what TypeORM's columns are to a device", () => {
  it('is what the database holds: embedded, enum arrays, generated, without transformers and hidden ones', async () => {
    const repository = dataSource.getRepository(Thing);
    const id = randomUUID();
    await repository.insert({
      id,
      user_id: 'alice',
      address: { street: 'Main' },
      colours: ['dark blue'],
      price: 3,
    });
    const row = await pulled('things', id);
    expect(row).toMatchObject({
      addressStreet: 'Main',
      colours: ['dark blue'] as Json,
      price: 300,
      double: 600,
      version: 1,
    });
    expect(Object.keys(row ?? {}).toSorted()).toEqual([
      'addressStreet',
      'colours',
      'deleted_at',
      'double',
      'id',
      'price',
      'updated_at',
      'user_id',
      'version',
    ]);
  });

  it('comes back from it the same way', async () => {
    const id = device.create('things', {
      user_id: 'alice',
      colours: '["red","dark blue"]',
      price: 450,
      double: 1,
      addressStreet: 'protected',
    });
    await device.sync();
    device.update('things', id, { price: 500 });
    await device.sync();
    const thing = await dataSource.getRepository(Thing).findOneOrFail({
      where: { id },
      select: {
        id: true,
        secret: true,
        colours: true,
        price: true,
        double: true,
        version: true,
        address: { street: true },
      },
    });
    expect(thing).toMatchObject({
      colours: ['red', 'dark blue'],
      price: 5,
      double: 1000,
      version: 2,
      secret: 'hidden',
      address: { street: '' },
    });
  });
});

describe('single-table inheritance, decorated at its root,', () => {
  it('gives devices the rows of all kinds with the discriminator', async () => {
    const id = randomUUID();
    await dataSource.getRepository(Cat).insert({ id, user_id: 'alice', lives: 9 });
    expect(await pulled('animals', id)).toMatchObject({ kind: 'cat', lives: 9 });
  });

  it('takes rows of any kind from them', async () => {
    const id = device.create('animals', { user_id: 'alice', kind: 'cat', lives: 7 });
    await device.sync();
    await expect(dataSource.getRepository(Cat).findOneBy({ id })).resolves.toMatchObject({ lives: 7 });
  });
});
