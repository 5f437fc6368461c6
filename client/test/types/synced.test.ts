import type { Relation } from 'typeorm';
import { describe, expectTypeOf, it } from 'vitest';
import type { Sync, Synced, SyncedTable } from '../../src/index.js';

/** As entities often have it. */
type Anything = ReturnType<typeof JSON.parse>;

enum Mood {
  Glad = 'glad',
  Sad = 'sad',
}

/** As TypeORM has it, but for the decorators, which no type tells of. */
declare class Task {
  readonly id: string;
  user_id: string;
  title: string;
  done: boolean;
  priority: number | null;
  notes?: string;
  amount: string;
  big: bigint;
  mood: Mood;
  tags: string[];
  reminders: Date[] | null;
  settings: { color: string; sizes: number[] };
  anything: Record<string, Anything>;
  unclear: unknown;
  cover: Buffer | null;
  due_at: Date | null;
  updated_at: Date;
  comments: Comment[];
  parent: Relation<Task> | null;
  lazy: Promise<Comment[]>;
  category: Category;
  rename(title: string): void;
  readonly describe: () => string;
}

declare class Comment {
  id: string;
  task_id: string;
  body: string;
  task: Relation<Task>;
  updated_at: Date;
}

/** Nothing in it tells it from a column of JSON. */
declare class Category {
  id: string;
  name: string;
}

interface TaskRow {
  id: string;
  user_id: string;
  title: string;
  done: boolean;
  priority: number | null;
  notes: string | null;
  amount: string;
  big: string;
  mood: Mood;
  tags: string[];
  reminders: string[] | null;
  settings: { color: string; sizes: number[] };
  anything: Record<string, Anything>;
  unclear: unknown;
  cover: string | null;
  due_at: string | null;
  updated_at: string;
}

interface TaskRowAndCategory extends TaskRow {
  category: Category;
}

describe('the row of an entity class', () => {
  it('has its columns with the client’s values, and neither relations nor methods', () => {
    expectTypeOf<Synced<Task, 'category'>>().toEqualTypeOf<TaskRow>();
    expectTypeOf<Synced<Comment>>().toEqualTypeOf<{
      id: string;
      task_id: string;
      body: string;
      updated_at: string;
    }>();
  });

  it('has a relation that looks like JSON, unless it is named', () => {
    expectTypeOf<Synced<Task>>().toEqualTypeOf<TaskRowAndCategory>();
  });

  it('makes the types of a table, which refuse unknown and protected columns and wrong values', () => {
    expectTypeOf(misuse).toBeFunction();
  });
});

interface Tables {
  comments: SyncedTable<Comment, 'updated_at'>;
}

/** Never called: it is there for the compiler. */
function misuse(sync: Sync<Tables>): readonly unknown[] {
  const comments = sync.table('comments');
  return [
    comments.create({ task_id: 'id', body: 'x' }),
    comments.get('id')?.updated_at.slice(0, 10),
    // @ts-expect-error a relation is no column
    comments.create({ task: { id: 'id' } }),
    // @ts-expect-error the time is the server's
    comments.update('id', { updated_at: 'now' }),
    // @ts-expect-error the key never changes
    comments.update('id', { id: 'other' }),
    // @ts-expect-error no number is a body
    comments.update('id', { body: 5 }),
  ];
}
