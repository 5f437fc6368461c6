import { Logger, type ExecutionContext } from '@nestjs/common';
import { SyncTable, type SynchroOptions } from 'nestjs-synchro';
import {
  Column,
  Entity,
  JoinColumn,
  ManyToOne,
  OneToMany,
  PrimaryColumn,
  PrimaryGeneratedColumn,
  type Relation,
} from 'typeorm';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import {
  describeProblem,
  describeWarnings,
  SynchroError,
  type SynchroProblem,
} from '../../lib/common/errors.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { Device } from '../support/device.js';
import { startWalApp, SyncedRow } from '../support/wal-app.js';
import { send } from '../support/wire.js';

/** Not synced: who owns what is. */
@Entity('users')
class User {
  @PrimaryGeneratedColumn()
  id!: number;

  @OneToMany(() => Note, (note) => note.user)
  notes!: Relation<Note>[];
}

@Entity('pairs')
class Pair {
  @PrimaryColumn('int')
  a!: number;

  @PrimaryColumn('int')
  b!: number;
}

class Place {
  @Column('text', { nullable: true })
  street!: string | null;

  @ManyToOne(() => User)
  @JoinColumn({ name: 'guest_id' })
  guest!: Relation<User> | null;
}

@Entity('notes')
@SyncTable({
  ownerColumn: 'user',
  protectedColumns: ['place.guest'],
  excludeColumns: ['place.street', 'pinCode'],
})
class Note extends SyncedRow {
  @Column('int', { name: 'user_id' })
  userId!: number;

  @ManyToOne(() => User, (user) => user.notes)
  @JoinColumn({ name: 'user_id' })
  user!: Relation<User>;

  @Column(() => Place)
  place!: Place;

  @Column('text', { name: 'pin_code', nullable: true })
  pinCode!: string | null;

  @Column('text', { nullable: true })
  text!: string | null;
}

const NOTES = `CREATE TABLE users (id serial PRIMARY KEY);
  INSERT INTO users VALUES (7), (8);
  CREATE TABLE notes (id uuid PRIMARY KEY, user_id int NOT NULL REFERENCES users, "placeStreet" text, "placeGuest_id" int REFERENCES users,
    pin_code text, text text, updated_at timestamptz NOT NULL DEFAULT now(), deleted_at timestamptz)`;

type UserIdRule = NonNullable<SynchroOptions['userId']>;

function header(context: ExecutionContext): unknown {
  return context.switchToHttp().getRequest().headers['x-user-id'];
}

function warning(option: string, group?: string): SynchroProblem {
  const base = {
    code: 'schema_unsupported',
    entity: 'Task',
    option,
    message: 'odd',
    fix: 'even it',
  } as const;
  return group === undefined ? base : { ...base, group };
}

const mark: ClassDecorator = (target) => Reflect.defineMetadata('isPublic', true, target);

describe('an app that was there before', () => {
  let database: TestDatabase;

  beforeAll(async () => {
    database = await createDatabase();
    await database.query(NOTES);
  });
  afterAll(() => database.drop());
  afterEach(() => vi.restoreAllMocks());

  it('names columns by relations and embedded paths, and leaves some out [W-HOST-77]', async () => {
    const app = await startWalApp(database, [Note, User], { userId: (context) => Number(header(context)) });
    try {
      const phone = new Device(app.url, '7');
      const { tables } = await phone.schema();
      expect(
        tables.find(({ table_name: name }) => name === 'notes')?.columns.map(({ name }) => name),
      ).toEqual(['id', 'user_id', 'placeGuest_id', 'text', 'updated_at', 'deleted_at']);
      await phone.start();
      const id = phone.create('notes', { text: 'first', placeGuest_id: 8, pin_code: '1234' });
      await phone.sync();
      const rows = await database.query(
        'SELECT id, user_id, "placeGuest_id" AS guest_id, pin_code, text FROM notes',
      );
      expect(rows).toEqual([{ id, user_id: 7, guest_id: null, pin_code: null, text: 'first' }]);
    } finally {
      await app.close();
    }
  });

  it('refuses relations without one column of their own, and what contradicts itself [W-HOST-78]', async () => {
    @Entity('links')
    @SyncTable({ ownerColumn: 'pair', excludeColumns: ['id', 'note'], syncColumns: ['note'] })
    class Link extends SyncedRow {
      @ManyToOne(() => Pair)
      @JoinColumn([
        { name: 'pair_a', referencedColumnName: 'a' },
        { name: 'pair_b', referencedColumnName: 'b' },
      ])
      pair!: Relation<Pair>;

      @Column('text', { nullable: true })
      note!: string | null;
    }
    const error: unknown = await startWalApp(database, [Link, Pair]).catch((reason: unknown) => reason);
    const problems = error instanceof SynchroError ? error.problems.map(describeProblem) : [];
    for (const problem of [
      'Link: ownerColumn: the relation pair has several columns in this table; name one of pair_a, pair_b',
      'Link: excludeColumns: syncColumns says which columns are synced already; give one of them',
      'Link: excludeColumns: id is always synced; remove it from the list',
    ])
      expect(problems).toContain(problem);
  });

  it.each<[string, unknown, string | null]>([
    ['a text', '7', '7'],
    ['a number', 7, '7'],
    ['a bigint', 9_007_199_254_740_993n, '9007199254740993'],
    ['a promise of a number', Promise.resolve(7), '7'],
    ['undefined', undefined, null],
    ['null', null, null],
    ['an empty text', '', null],
    ['NaN', Number.NaN, null],
    ['a fraction', 1.5, null],
    ['an integer that JavaScript rounds', 2 ** 53, null],
    ['a user', { id: 7 }, null],
    ['a function', () => '7', null],
  ])('takes %s for what it is, or says once that it is no id [W-HOST-79]', async (_, answer, id) => {
    const warned = vi.spyOn(Logger.prototype, 'warn');
    const app = await startWalApp(database, [Note, User], {
      userId: (() => answer) as UserIdRule,
      replication: false,
    });
    try {
      const body = JSON.stringify({ client_id: 'x', schema_version: 0, schema_hash: '' });
      const statuses = [];
      for (const again of [body, body]) {
        const { status } = await send(`${app.url}/sync/register`, { body: again });
        statuses.push(status);
      }
      const users = await database.query('SELECT user_id FROM sync_clients WHERE client_id = $1', ['x']);
      const lines = warned.mock.calls.map(String).filter((line) => line.includes('a request has no user'));
      await database.query('DELETE FROM sync_clients');
      if (id === null) {
        expect(statuses).toEqual([401, 401]);
        expect(lines).toHaveLength(1);
        expect(lines[0]).toContain('the option userId answered ');
      } else {
        expect(statuses).toEqual([200, 200]);
        expect(users).toEqual([{ user_id: id }]);
        expect(lines).toEqual([]);
      }
    } finally {
      await app.close();
    }
  });

  it('is warned of columns that are named like secrets, in one line [W-HOST-80]', async () => {
    @Entity('accounts')
    @SyncTable()
    class Account {
      @PrimaryColumn('uuid')
      id!: string;
    }
    @Entity('accounts')
    @SyncTable({ syncColumns: ['id', 'passwordHash'] })
    class Named extends Account {
      @Column('text')
      passwordHash!: string;
    }
    await database.query(
      `CREATE TABLE accounts (id uuid PRIMARY KEY, "passwordHash" text, reset_token text, otp text, salts text,
         accesstoken text, spinner text, hashtag text, opinion text, salty text, updated_by text)`,
    );
    const linesOf = async (entity: typeof Account): Promise<readonly string[]> => {
      const warned = vi.spyOn(Logger.prototype, 'warn');
      const app = await startWalApp(database, [entity], { replication: false });
      await app.close();
      return warned.mock.calls.map(String).filter((line) => line.includes('secret'));
    };
    expect(await linesOf(Account)).toEqual([
      '5 columns that are named like secrets, and that devices get: Account.passwordHash, Account.reset_token, Account.otp, Account.salts, Account.accesstoken. ' +
        "The first: Account: passwordHash: it is named like a secret, and devices get it; leave it out: @SyncTable({ excludeColumns: ['passwordHash'] }); or, if they are to have it, name it in syncColumns",
    ]);
    vi.restoreAllMocks();
    expect(await linesOf(Named)).toEqual([]);
    await database.query('DROP TABLE accounts');
  });

  it('reads one line for all warnings of a kind, and one for each other one', () => {
    const many = Array.from({ length: 25 }, (_, n) => warning(`c${n}`, 'odd columns'));
    const [line, ...others] = describeWarnings([
      ...many,
      warning('x'),
      warning('y'),
      warning('z', 'rare ones'),
    ]);
    expect(line).toMatch(
      /^25 odd columns: Task\.c0, Task\.c1, .*Task\.c19, and 5 more\. The first: Task: c0: odd; even it$/,
    );
    expect(others).toEqual(['x', 'y', 'z'].map((name) => `Task: ${name}: odd; even it`));
  });
});

describe('decorators of the host', () => {
  it('are on the controller of the sync routes, of that module alone', async () => {
    const { syncControllerFor } = await import('../../lib/http/sync-controller.factory.js');
    const [marked, plain] = [syncControllerFor('a', { decorators: [mark] }), syncControllerFor('b', {})];
    expect([marked, plain].map((each) => Reflect.getMetadata('isPublic', each))).toEqual([true, undefined]);
  });
});
