import { createHash } from 'node:crypto';
import type { TestDatabase } from '../support/database.js';

/** How a device writes a column's values. */
export type ColumnKind = 'text' | 'int' | 'bigint' | 'numeric' | 'array' | 'json' | 'time' | 'bytes' | 'uuid';

/** A synced table as the attacker knows it. */
export interface FuzzTable {
  readonly name: string;
  /** What a device sends of a row, the key left out. */
  readonly columns: Readonly<Record<string, ColumnKind>>;
  /** The owner's column, if the table has one. */
  readonly owner?: string;
  readonly parent?: { readonly table: string; readonly column: string };
}

/** A row that the attacker must not write. */
export interface VictimRow {
  readonly table: string;
  readonly id: string;
  readonly user: string;
  /** The attacker is given the id and sends it. Another one is in no answer at all. */
  readonly known: boolean;
  /** It is shared with the attacker, who may read it. */
  readonly shared: boolean;
  readonly deleted: boolean;
  /** Id of the row above. */
  readonly parent?: string;
}

/** Who is attacked. */
export interface Victims {
  readonly users: readonly string[];
  readonly attacker: string;
  readonly rows: readonly VictimRow[];
  /** In every text of a row that is not shared. */
  readonly canary: string;
}

/** The app that is fuzzed: its tables, and how its rows are written and read past sync. */
export interface FuzzTables {
  readonly tables: readonly FuzzTable[];
  victims(seed: number): Victims;
  /** Writes the victims' rows. */
  seed(database: TestDatabase, victims: Victims): Promise<void>;
  /** Every row that is a victim's, by its owner or its parents, whole, as text; by `<table>/<id>`. */
  state(database: TestDatabase, victims: Victims): Promise<ReadonlyMap<string, string>>;
  /** Rows that are nobody's although none were written so. */
  ownerless(database: TestDatabase): Promise<number>;
}

/** The same UUID for the same names. */
export function uuidOf(...names: readonly (string | number)[]): string {
  const hex = createHash('sha256').update(names.join('/')).digest('hex');
  return [
    hex.slice(0, 8),
    hex.slice(8, 12),
    `4${hex.slice(13, 16)}`,
    `8${hex.slice(17, 20)}`,
    hex.slice(20, 32),
  ].join('-');
}

const ROWS_PER_TABLE = 6;

/** The sample app's. */
export const SAMPLE_TABLES: FuzzTables = {
  tables: [
    {
      name: 'tasks',
      owner: 'user_id',
      columns: {
        user_id: 'text',
        title: 'text',
        priority: 'int',
        estimate: 'numeric',
        big_count: 'bigint',
        labels: 'array',
        metadata: 'json',
        due_at: 'time',
        cover: 'bytes',
      },
    },
    {
      name: 'comments',
      columns: { task_id: 'uuid', body: 'text' },
      parent: { table: 'tasks', column: 'task_id' },
    },
    { name: 'tags', owner: 'user_id', columns: { user_id: 'text', name: 'text' } },
    { name: 'categories', columns: { name: 'text' } },
  ],

  victims(seed) {
    const users = [`anna-${seed}`, `ben-${seed}`];
    return {
      users,
      attacker: `mallory-${seed}`,
      rows: users.flatMap((user) => rowsOf(user)),
      canary: `canary-${uuidOf(seed, 'canary').slice(0, 18)}`,
    };
  },

  async seed(database, { rows, attacker, canary }) {
    for (const { table, id, user, shared, deleted, parent } of rows) {
      const secret = shared ? 'shared' : canary;
      const at = deleted ? 'now()' : 'NULL';
      if (table === 'tasks') {
        await database.query(
          `INSERT INTO tasks (id, user_id, title, labels, metadata, deleted_at)
           VALUES ($1, $2, $3, ARRAY[$3], jsonb_build_object('note', $3::text), ${at})`,
          [id, user, secret],
        );
        if (shared) await database.query('INSERT INTO task_shares VALUES ($1, $2)', [id, attacker]);
      } else if (table === 'comments') {
        await database.query(
          `INSERT INTO comments (id, task_id, body, deleted_at) VALUES ($1, $2, $3, ${at})`,
          [id, parent, secret],
        );
      } else {
        await database.query(`INSERT INTO tags (id, user_id, name, deleted_at) VALUES ($1, $2, $3, ${at})`, [
          id,
          user,
          secret,
        ]);
      }
    }
  },

  async state(database, { users }) {
    const rows = await database.query<{ key: string; row: string }>(
      `SELECT 'tasks/' || t.id AS key, to_jsonb(t)::text AS row FROM tasks t WHERE t.user_id = ANY($1)
       UNION ALL
       SELECT 'tags/' || t.id, to_jsonb(t)::text FROM tags t WHERE t.user_id = ANY($1)
       UNION ALL
       SELECT 'comments/' || c.id, to_jsonb(c)::text FROM comments c JOIN tasks t ON t.id = c.task_id
        WHERE t.user_id = ANY($1)`,
      [users],
    );
    return new Map(rows.map(({ key, row }) => [key, row]));
  },

  async ownerless(database) {
    const [row] = await database.query<{ count: number }>(
      'SELECT count(*)::int AS count FROM tags WHERE user_id IS NULL',
    );
    return row?.count ?? 0;
  },
};

/** Of each table: known and unknown ones, a shared one, a deleted one. */
function rowsOf(user: string): readonly VictimRow[] {
  const tasks = Array.from({ length: ROWS_PER_TABLE }, (_, n) => ({
    table: 'tasks',
    id: uuidOf(user, 'tasks', n),
    user,
    known: n < 4,
    shared: n === 3,
    deleted: n === 2,
  }));
  const comments = tasks.map(({ id: parent, known, shared }, n) => ({
    table: 'comments',
    id: uuidOf(user, 'comments', n),
    user,
    known,
    shared,
    deleted: n === 1,
    parent,
  }));
  const tags = Array.from({ length: ROWS_PER_TABLE }, (_, n) => ({
    table: 'tags',
    id: uuidOf(user, 'tags', n),
    user,
    known: n < 3,
    shared: false,
    deleted: n === 1,
  }));
  return [...tasks, ...comments, ...tags];
}
