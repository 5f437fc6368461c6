import { Logger } from '@nestjs/common';
import { Exclude, Expose } from 'class-transformer';
import { SyncTable } from 'nestjs-synchro';
import { Column, Entity } from 'typeorm';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { startWalApp, SyncedRow } from '../support/wal-app.js';

class Address {
  @Column('text', { nullable: true })
  @Exclude()
  street!: string | null;

  @Column('text', { nullable: true })
  city!: string | null;
}

abstract class Person extends SyncedRow {
  @Column('text', { nullable: true })
  @Exclude({ toPlainOnly: true })
  income!: string | null;
}

@Entity('people')
@SyncTable({ excludeColumns: ['left_out'] })
class Member extends Person {
  @Column('text', { nullable: true })
  @Exclude()
  verification!: string | null;

  @Column('text', { nullable: true, name: 'left_out' })
  @Exclude()
  leftOut!: string | null;

  @Column('text', { nullable: true })
  @Exclude({ toClassOnly: true })
  given!: string | null;

  @Column('text', { nullable: true, select: false })
  @Exclude()
  unselected!: string | null;

  @Column(() => Address)
  address!: Address;
}

@Entity('people')
@Exclude()
@SyncTable()
class Hidden extends SyncedRow {
  @Column('text', { nullable: true })
  verification!: string | null;

  @Column('text', { nullable: true })
  @Expose()
  given!: string | null;
}

@Entity('people')
@SyncTable({ syncColumns: ['id', 'income'] })
class Named extends Person {}

let database: TestDatabase;

beforeAll(async () => {
  database = await createDatabase();
  await database.query(
    `CREATE TABLE people (id uuid PRIMARY KEY, income text, verification text, left_out text, given text, unselected text,
       "addressStreet" text, "addressCity" text, updated_at timestamptz NOT NULL DEFAULT now(), deleted_at timestamptz)`,
  );
});
afterAll(() => database.drop());
afterEach(() => vi.restoreAllMocks());

async function warningsOf(entity: typeof SyncedRow): Promise<readonly string[]> {
  const warned = vi.spyOn(Logger.prototype, 'warn');
  const app = await startWalApp(database, [entity], { replication: false });
  await app.close();
  return warned.mock.calls.map(String).filter((line) => line.includes('JSON'));
}

describe('columns that class-transformer keeps out of the JSON of the host', () => {
  it('are named at start, in one line, unless devices do not get them', async () => {
    expect(await warningsOf(Member)).toEqual([
      '3 columns that @Exclude() leaves out of your JSON, and that devices get: Member.income, Member.verification, Member.addressStreet. ' +
        "The first: Member: income: it is left out of your JSON by @Exclude(), and devices get it; leave it out: @SyncTable({ excludeColumns: ['income'] }); or, if they are to have it, name it in syncColumns",
    ]);
  });

  it('are all but the exposed ones of an entity that is left out as a whole', async () => {
    const [line, ...others] = await warningsOf(Hidden);
    expect(others).toEqual([]);
    expect(line).toMatch(/devices get: Hidden\.verification, Hidden\.updated_at, Hidden\.deleted_at\. /);
  });

  it('are the choice of a host that names its columns', async () => {
    expect(await warningsOf(Named)).toEqual([]);
  });
});
