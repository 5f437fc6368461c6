import { randomUUID } from 'node:crypto';
import { Inject, Injectable, Logger, Module, Scope, type Provider } from '@nestjs/common';
import { REQUEST } from '@nestjs/core';
import {
  ConflictResolver,
  JoinResolver,
  LwwResolver,
  OwnershipResolver,
  OwnerWritePolicy,
  PerTableResolver,
  PerTableWritePolicy,
  ServerWinsResolver,
  SubscriptionResolver,
  SyncTable,
  UserSubscriptionResolver,
  WritePolicy,
  type Conflict,
  type Resolution,
  type ResolveRow,
} from 'nestjs-synchro';
import { Column, Entity } from 'typeorm';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { owned, readOnly, createTableSql } from '../support/schema-fixtures.js';
import { SyncRegistry } from '../../lib/registry/sync-registry.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { Device } from '../support/device.js';
import { applied, edgesOf, startWalApp, SyncedRow, type WalAppOptions } from '../support/wal-app.js';

@Entity('notes')
@SyncTable({ ownerColumn: 'user_id' })
class Note extends SyncedRow {
  @Column('text', { name: 'user_id' })
  userId!: string;

  @Column('text', { nullable: true })
  text!: string | null;
}

@Entity('plans')
@SyncTable({ ownerColumn: 'user_id' })
class Plan extends SyncedRow {
  @Column('text', { name: 'user_id' })
  userId!: string;

  @Column('text', { nullable: true })
  text!: string | null;
}

/** A provider of the host's, out of a module of its own. */
@Injectable()
class Friends {
  bucket(): string {
    return 'user:friend';
  }
}

@Module({ providers: [Friends], exports: [Friends] })
class FriendsModule {}

@Injectable()
class FriendlyRule extends OwnershipResolver {
  constructor(
    private readonly friends: Friends,
    private readonly defaultRule: JoinResolver,
  ) {
    super();
  }

  override async resolveOwner(table: string, row: ResolveRow): Promise<readonly string[]> {
    const buckets = await this.defaultRule.resolveOwner(table, row);
    return table === 'notes' ? [...buckets, this.friends.bucket()] : buckets;
  }
}

/** Keeps what it is asked, and leaves the answer to the default. */
@Injectable()
class WatchedLww extends ConflictResolver {
  readonly seen: Conflict[] = [];

  constructor(private readonly lww: LwwResolver) {
    super();
  }

  override resolve(conflict: Conflict): Resolution {
    this.seen.push(conflict);
    return this.lww.resolve(conflict);
  }
}

@Injectable()
class FriendsToo extends SubscriptionResolver {
  constructor(private readonly own: UserSubscriptionResolver) {
    super();
  }

  override resolveSubscriptions(userId: string): readonly string[] {
    return [...this.own.resolveSubscriptions(userId), `team:${userId}`];
  }
}

let database: TestDatabase;

beforeAll(async () => {
  database = await createDatabase();
  for (const table of ['notes', 'plans']) {
    await database.query(createTableSql(table, 'user_id text NOT NULL, text text'));
  }
});

afterAll(() => database.drop());

/** Runs an app with these providers, for as long as the work takes. */
async function withApp<T>(
  providers: readonly Provider[],
  work: (url: string, get: <R>(token: abstract new (...args: never[]) => R) => R) => Promise<T>,
  options: WalAppOptions = {},
): Promise<T> {
  const app = await startWalApp(database, [Note, Plan], { providers, imports: [FriendsModule], ...options });
  try {
    return await work(app.url, (token) => app.app.get(token, { strict: false }));
  } finally {
    await app.close();
  }
}

async function bucketsOfNewNote(): Promise<readonly string[]> {
  const id = randomUUID();
  await database.query(`INSERT INTO notes (id, user_id) VALUES ($1, 'alice')`, [id]);
  await applied(database);
  return edgesOf(database, 'notes', id);
}

/** Pushes an update of the table whose base is old and whose time is the given one. @returns who won */
async function conflictOn(url: string, table: string, at: string): Promise<string> {
  const id = randomUUID();
  await database.query(`INSERT INTO ${table} (id, user_id, text) VALUES ($1, 'alice', 'before')`, [id]);
  const device = new Device(url, 'alice');
  await device.register();
  const change = { id, table_name: table, operation: 'update', data: { text: 'after' } } as const;
  const answer = await device.push([
    { ...change, client_updated_at: at, base_updated_at: '2020-01-01T00:00:00.000Z' },
  ]);
  return answer.accepted.length === 1 ? 'client' : 'server';
}

const soon = (milliseconds: number): string => new Date(Date.now() + milliseconds).toISOString();

describe('an overriding resolver', () => {
  it.each<[string, readonly Provider[]]>([
    ['useClass', [{ provide: OwnershipResolver, useClass: FriendlyRule }]],
    ['useExisting', [FriendlyRule, { provide: OwnershipResolver, useExisting: FriendlyRule }]],
    [
      'useFactory',
      [
        {
          provide: OwnershipResolver,
          inject: [Friends, JoinResolver],
          useFactory: (friends: Friends, rule: JoinResolver) => new FriendlyRule(friends, rule),
        },
      ],
    ],
  ])("of ownership by %s may inject the host's providers and the default one", async (_, providers) => {
    await withApp(providers, async () => {
      expect(await bucketsOfNewNote()).toEqual(['user:alice', 'user:friend']);
    });
  });

  it.each<[string, readonly Provider[]]>([
    ['useClass', [{ provide: ConflictResolver, useClass: WatchedLww }]],
    ['useExisting', [WatchedLww, { provide: ConflictResolver, useExisting: WatchedLww }]],
    [
      'useFactory',
      [
        {
          provide: ConflictResolver,
          inject: [LwwResolver],
          useFactory: (lww: LwwResolver) => new WatchedLww(lww),
        },
      ],
    ],
  ])(
    'of conflicts by %s may inject the default one, with the tolerance of the options',
    async (_, providers) => {
      await withApp(
        providers,
        async (url, get) => {
          expect(await conflictOn(url, 'notes', soon(-3_000))).toBe('client');
          expect(await conflictOn(url, 'notes', soon(-60_000))).toBe('server');
          expect((get(ConflictResolver) as WatchedLww).seen).toMatchObject([
            { table: 'notes', userId: 'alice', baseVersion: '2020-01-01T00:00:00.000Z' },
            { table: 'notes' },
          ]);
        },
        { clockSkewTolerance: 10_000 },
      );
    },
  );

  it('of conflicts gets everything about both sides [W-PUSH-19]', async () => {
    await withApp([{ provide: ConflictResolver, useClass: WatchedLww }], async (url, get) => {
      await conflictOn(url, 'notes', soon(-60_000));
      const [conflict] = (get(ConflictResolver) as WatchedLww).seen;
      const time = expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/) as string;
      const uuid = expect.stringMatching(/^[0-9a-f-]{36}$/) as string;
      expect(conflict).toEqual({
        table: 'notes',
        recordId: uuid,
        clientId: uuid,
        userId: 'alice',
        clientData: '{"text":"after"}',
        serverData: expect.stringContaining('"text":"before"') as string,
        clientTime: time,
        serverTime: time,
        baseVersion: '2020-01-01T00:00:00.000Z',
      });
    });
  });

  it('of subscriptions may inject the default one, and answer at once', async () => {
    await withApp([{ provide: SubscriptionResolver, useClass: FriendsToo }], async (url) => {
      const device = new Device(url, 'alice');
      await device.start();
      const page = await device.pullPage({ known_buckets: null });
      expect(page.bucket_updates?.added).toEqual(['user:alice', 'global', 'team:alice']);
    });
  });

  it('for each table is a PerTableResolver, others fall back [scenario 92]', async () => {
    const perTable: Provider = {
      provide: ConflictResolver,
      inject: [ServerWinsResolver, LwwResolver],
      useFactory: (serverWins: ServerWinsResolver, lww: LwwResolver) =>
        new PerTableResolver({ plans: serverWins }, lww),
    };
    await withApp(
      [perTable],
      async (url) => {
        expect(await conflictOn(url, 'notes', soon(0))).toBe('client');
        expect(await conflictOn(url, 'plans', soon(0))).toBe('server');
      },
      { clockSkewTolerance: 10_000 },
    );
  });

  it('that answers no winner costs that change alone, which is to be sent again', async () => {
    Logger.overrideLogger(false);
    const senseless: Provider = {
      provide: ConflictResolver,
      useValue: new PerTableResolver(
        { plans: { resolve: () => ({ winner: 'nobody', reason: '' }) as unknown as Resolution } },
        new ServerWinsResolver(),
      ),
    };
    await withApp([senseless], async (url) => {
      const id = randomUUID();
      await database.query(`INSERT INTO plans (id, user_id) VALUES ($1, 'alice')`, [id]);
      const device = new Device(url, 'alice');
      await device.register();
      const answer = await device.push([
        { id, table_name: 'plans', operation: 'update', data: { text: 'x' } },
        { id: randomUUID(), table_name: 'plans', operation: 'create', data: { text: 'y' } },
      ]);
      expect(answer.rejected).toMatchObject([{ id, reason_code: 'internal_error' }]);
      expect(answer.accepted).toHaveLength(1);
    });
  });
});

describe('a resolver that could not do its work stops the start', () => {
  beforeEach(() => Logger.overrideLogger(false));

  @Injectable({ scope: Scope.REQUEST })
  class PerRequest extends OwnershipResolver {
    override resolveOwner(): readonly string[] {
      return [];
    }
  }

  @Injectable()
  class FromRequest extends SubscriptionResolver {
    constructor(@Inject(REQUEST) private readonly request: { readonly user?: string }) {
      super();
    }

    override resolveSubscriptions(): readonly string[] {
      return [this.request.user ?? ''];
    }
  }

  @Injectable()
  class Empty extends OwnershipResolver {}

  it.each<[string, readonly Provider[], string]>([
    [
      'when it is request-scoped',
      [{ provide: OwnershipResolver, useClass: PerRequest }],
      'PerRequest, the OwnershipResolver, is request-scoped',
    ],
    [
      'when it is an alias of such a one',
      [PerRequest, { provide: OwnershipResolver, useExisting: PerRequest }],
      'PerRequest, the OwnershipResolver, is request-scoped',
    ],
    [
      'when it injects the request',
      [{ provide: SubscriptionResolver, useClass: FromRequest }],
      'FromRequest, the SubscriptionResolver, is request-scoped',
    ],
    [
      'when its factory is request-scoped',
      [{ provide: ConflictResolver, scope: Scope.REQUEST, useFactory: () => new ServerWinsResolver() }],
      'the provider, the ConflictResolver, is request-scoped',
    ],
    [
      'when it overrides neither form of the rule',
      [{ provide: OwnershipResolver, useClass: Empty }],
      'Empty, the OwnershipResolver, has no resolveOwner or resolveOwners of its own',
    ],
    [
      'when it is an object without the method',
      [{ provide: ConflictResolver, useValue: {} }],
      'Object, the ConflictResolver, has no resolve of its own',
    ],
    [
      'when it names a table that is not synced',
      [
        {
          provide: ConflictResolver,
          useValue: new PerTableResolver({ ntoes: new ServerWinsResolver() }, new ServerWinsResolver()),
        },
      ],
      'PerTableResolver: ntoes is not registered for sync',
    ],
    [
      'when it is a policy for a table that is not synced',
      [
        {
          provide: WritePolicy,
          useValue: new PerTableWritePolicy({ ntoes: new OwnerWritePolicy() }, new OwnerWritePolicy()),
        },
      ],
      'PerTableWritePolicy: ntoes is not registered for sync',
    ],
    [
      'when it is a policy for one table without the method',
      [
        {
          provide: WritePolicy,
          useValue: new PerTableWritePolicy({ notes: {} as WritePolicy }, new OwnerWritePolicy()),
        },
      ],
      'Object, the WritePolicy, has no decide of its own',
    ],
    [
      'when it is a policy that injects the request',
      [{ provide: WritePolicy, scope: Scope.REQUEST, useFactory: () => new OwnerWritePolicy() }],
      'the provider, the WritePolicy, is request-scoped',
    ],
  ])('%s', async (_, providers, message) => {
    const failed = await withApp(providers, () => Promise.resolve(new Error('it started'))).catch(
      (error: unknown) => error,
    );
    expect(failed).toMatchObject({ code: 'configuration_invalid' });
    expect((failed as Error).message).toContain(message);
  });
});

describe('the two forms of a rule', () => {
  const rows = ['a', 'b'].map((id) => ({ recordId: id, data: { id } }));

  it('of which one is given answer for each other', async () => {
    class Single extends OwnershipResolver {
      override resolveOwner(table: string, { recordId }: ResolveRow): readonly string[] {
        return [`${table}:${recordId}`];
      }
    }
    class Bulk extends OwnershipResolver {
      override resolveOwners(table: string, all: readonly ResolveRow[]): readonly (readonly string[])[] {
        return all.map(({ recordId }) => [`${table}:${recordId}`]);
      }
    }
    for (const rule of [new Single(), new Bulk()]) {
      expect(await rule.resolveOwners('t', rows)).toEqual([['t:a'], ['t:b']]);
      expect(await rule.resolveOwner('t', { recordId: 'c', data: {} })).toEqual(['t:c']);
    }
  });

  it('ask for one row after the other, so that a pool of connections has some left', async () => {
    let atOnce = 0;
    let most = 0;
    class Slow extends OwnershipResolver {
      override async resolveOwner(): Promise<readonly string[]> {
        most = Math.max(most, ++atOnce);
        await Promise.resolve();
        atOnce--;
        return [];
      }
    }
    await new Slow().resolveOwners('t', rows);
    expect(most).toBe(1);
  });
});

describe('the default rule', () => {
  const rule = new JoinResolver(
    new SyncRegistry([
      readOnly('categories'),
      owned('orders'),
      owned('prefixed', { bucketPrefix: 'team:' }),
      owned('tags', { globalWhenBucketNull: true, allowGlobalRead: true }),
      readOnly('children', { parent: 'orders', parentFkColumn: 'order_id', depth: 1 }),
    ]),
  );
  const ask = (table: string, userId: string | null): unknown =>
    rule.resolveOwner(table, { recordId: '1', data: { user_id: userId } });

  it.each([
    ['a reference table is in global [scenario 93]', 'categories', 'u', ['global']],
    ['a bucket column names the bucket [scenario 94]', 'orders', 'u', ['user:u']],
    ['a prefix of its own is respected [scenario 94]', 'prefixed', 'u', ['team:u']],
    ['null is in no bucket [scenario 95]', 'orders', null, []],
    ['an empty text is in no bucket [scenario 95]', 'orders', '', []],
    ['null is in global where the table says so [scenario 96]', 'tags', null, ['global']],
    ['an empty text is in global where the table says so [scenario 96]', 'tags', '', ['global']],
    ["a child's buckets are its parent's, which are added for it", 'children', null, []],
  ])('%s', async (_, table, userId, buckets) => {
    expect(await ask(table, userId)).toEqual(buckets);
  });

  it('a table that is not registered is an error [scenario 98]', async () => {
    await expect(async () => ask('unknown', 'u')).rejects.toThrow('table unknown is not registered for sync');
  });
});

describe('last write wins', () => {
  it.each<[string, [client: number, base: number | null, skew?: number], string]>([
    ['no base, client newer [scenario 84]', [1_000, null], 'client'],
    ['no base, server newer [scenario 85]', [-1_000, null], 'server'],
    ['no base, equal [scenario 86]', [0, null], 'server'],
    ["base equals the server's version [scenario 87]", [-9_000, 0], 'client'],
    ['base older, client newer than the server [scenario 88]', [1_000, -5_000], 'client'],
    ['base older, client older than the server [scenario 89]', [-1_000, -5_000], 'server'],
    ['a second of tolerance, client half a second behind [scenario 90]', [-500, null, 1_000], 'client'],
    ['a second of tolerance, client two seconds behind [scenario 91]', [-2_000, null, 1_000], 'server'],
    ['base ahead of the server, client newer [interleaving 14]', [1_000, 500], 'client'],
    ['base ahead of the server, client older [interleaving 14]', [-1_000, 500], 'server'],
  ])('%s', (_, question, winner) => {
    expect(decide(...question)).toBe(winner);
  });

  it('a server that always wins does so against a newer client [scenario 92]', () => {
    expect(new ServerWinsResolver().resolve().winner).toBe('server');
  });
});

/** A time, this many milliseconds from the server's. */
function at(milliseconds: number): string {
  return new Date(1_800_000_000_000 + milliseconds).toISOString();
}

/** Who wins, by times from the server's. */
function decide(client: number, base: number | null, clockSkewTolerance = 0): string {
  const conflict = {
    table: 't',
    recordId: '1',
    clientId: 'c',
    userId: 'u',
    clientData: '{}',
    serverData: '{}',
    clientTime: at(client),
    serverTime: at(0),
    baseVersion: base === null ? null : at(base),
  };
  return new LwwResolver({ clockSkewTolerance }).resolve(conflict).winner;
}
