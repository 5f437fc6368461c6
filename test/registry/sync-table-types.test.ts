import { SyncTable, type ColumnName, type EntityClass, type SyncTableOptions } from 'nestjs-synchro';
import { describe, expect, expectTypeOf, it } from 'vitest';
import { syncTableOptions } from '../../lib/registry/sync-table.decorator.js';

class Task {
  id!: string;
  ownerId!: string;
  address!: { street: string };
}

class Comment {
  body!: string;
}

describe('the options of an entity (checked by the compiler)', () => {
  it("offer the entity's properties for every column, and take any name", () => {
    // Were it widened to `string`, nothing could be taken out of it, and nothing would be offered.
    expectTypeOf<Extract<ColumnName<Task>, keyof Task>>().toEqualTypeOf<'id' | 'ownerId' | 'address'>();
    expectTypeOf<string>().toExtend<ColumnName<Task>>();
    expectTypeOf<SyncTableOptions<Task>['ownerColumn']>().toEqualTypeOf<ColumnName<Task> | undefined>();
    expectTypeOf<SyncTableOptions<Task>['syncColumns']>().toEqualTypeOf<
      readonly ColumnName<Task>[] | undefined
    >();
  });

  it('need no type argument', () => {
    expectTypeOf<ColumnName>().toEqualTypeOf<string & {}>();
    @SyncTable({ ownerColumn: 'owner_id' })
    class Plain {}
    @SyncTable<Task>({ ownerColumn: 'owner_id', syncColumns: ['ownerId', 'address.street'] })
    class Typed extends Task {}
    expect(syncTableOptions(Plain)).toEqual({ ownerColumn: 'owner_id' });
    expect(syncTableOptions(Typed)).toMatchObject({ syncColumns: ['ownerId', 'address.street'] });
  });

  it('are for that entity alone, and know no other options', () => {
    const decorator = SyncTable<Task>({ ownerColumn: 'ownerId' });
    expectTypeOf(decorator).toBeCallableWith(Task);
    // @ts-expect-error Comment has none of Task's properties
    decorator(Comment);
    // @ts-expect-error there is no such option
    expect(() => SyncTable<Task>({ owner: 'ownerId' })).not.toThrow();
    expectTypeOf<typeof Comment>().toExtend<EntityClass<Comment>>();
  });
});
