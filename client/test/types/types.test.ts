import { describe, expectTypeOf, it } from 'vitest';
import type { Query, Sync, Table, TransactionTable, TypedTable } from '../../src/index.js';

interface Task {
  id: string;
  title: string;
  done: boolean;
  priority: number | null;
  updated_at: string;
}

interface NewTask {
  id?: string;
  title: string;
  done?: boolean;
  priority?: number | null;
}

type TaskChange = Partial<Omit<NewTask, 'id'>>;

interface Tables {
  tasks: { row: Task; create: NewTask; update: TaskChange };
}

describe('the types of an app’s tables', () => {
  it('reach every call', () => {
    type Tasks = TypedTable<Tables, 'tasks'>;
    expectTypeOf<Tasks>().toExtend<Table<Task, NewTask, TaskChange>>();
    expectTypeOf<ReturnType<Tasks['get']>>().toEqualTypeOf<Task | undefined>();
    expectTypeOf<ReturnType<Tasks['query']>>().toEqualTypeOf<readonly Task[]>();
    expectTypeOf<TransactionTable<Task, NewTask, TaskChange>['create']>()
      .parameter(0)
      .toEqualTypeOf<NewTask>();
  });

  it('refuse unknown tables and columns, columns of the server’s, and values of a wrong type', () => {
    expectTypeOf(misuse).toBeFunction();
    expectTypeOf<Query<Task>['orderBy']>().not.toBeAny();
  });
});

/** Never called: it is there for the compiler. */
function misuse(sync: Sync<Tables>): readonly unknown[] {
  return [
    // @ts-expect-error there is no such table
    sync.table('taks'),
    // @ts-expect-error there is no such column
    sync.table('tasks').create({ title: 'x', titel: 'x' }),
    // @ts-expect-error the title is required
    sync.table('tasks').create({ done: true }),
    // @ts-expect-error the server sets it
    sync.table('tasks').update('id', { updated_at: 'now' }),
    // @ts-expect-error no number is a title
    sync.table('tasks').update('id', { title: 5 }),
    // @ts-expect-error nor is a number compared with text
    sync.table('tasks').query({ where: { priority: { gte: '3' } } }),
  ];
}
