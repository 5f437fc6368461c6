import { uuidOf, type FuzzTables, type VictimRow } from '../fuzz/fuzz-tables.js';

const ROWS_EACH = 5;
const VALUES = { title: 'text', rank: 'int', amount: 'numeric', data: 'json' } as const;

/** Rows of the world that its own people leave alone: see `World.someRows`. */
export const WORLD_FUZZ_TABLES: FuzzTables = {
  tables: [
    { name: 'projects', owner: 'user_id', columns: { user_id: 'text', ...VALUES } },
    {
      name: 'tasks',
      columns: { project_id: 'uuid', ...VALUES },
      parent: { table: 'projects', column: 'project_id' },
    },
    { name: 'notes', owner: 'user_id', columns: { user_id: 'text', ...VALUES } },
    { name: 'tags', owner: 'user_id', columns: { user_id: 'text', ...VALUES } },
    { name: 'categories', columns: VALUES },
  ],

  victims(seed) {
    const users = [`anna-${seed}`, `ben-${seed}`];
    return {
      users,
      attacker: `mallory-${seed}`,
      rows: users.flatMap(rowsOf),
      canary: `canary-${uuidOf(seed, 'canary').slice(0, 18)}`,
    };
  },

  async seed(database, { rows, canary }) {
    for (const { table, id, user, parent, deleted } of rows) {
      const [column, above] = table === 'projects' ? ['user_id', user] : ['project_id', parent];
      await database.query(
        `INSERT INTO ${table} (id, ${column}, title, data, deleted_at)
         VALUES ($1, $2, $3, jsonb_build_object('note', $3::text), ${deleted ? 'now()' : 'NULL'})`,
        [id, above, canary],
      );
    }
  },

  async state(database, { users }) {
    const rows = await database.query<{ key: string; row: string }>(
      `SELECT 'projects/' || p.id AS key, to_jsonb(p)::text AS row FROM projects p WHERE user_id = ANY($1)
       UNION ALL
       SELECT 'tasks/' || t.id, to_jsonb(t)::text FROM tasks t JOIN projects p ON p.id = t.project_id
        WHERE p.user_id = ANY($1)
       UNION ALL
       SELECT 'notes/' || n.id, to_jsonb(n)::text FROM notes n WHERE n.user_id = ANY($1)
       UNION ALL
       SELECT 'tags/' || t.id, to_jsonb(t)::text FROM tags t WHERE t.user_id = ANY($1)`,
      [users],
    );
    // Columns may be added to the tables meanwhile.
    return new Map(rows.map(({ key, row }) => [key, withoutExtras(row)]));
  },

  // The world's own code writes tags that are everyone's.
  ownerless: () => Promise.resolve(0),
};

function withoutExtras(row: string): string {
  return JSON.stringify(JSON.parse(row), (key, value: unknown) =>
    key.startsWith('extra_') ? undefined : value,
  );
}

function rowsOf(user: string): readonly VictimRow[] {
  const projects = Array.from({ length: ROWS_EACH }, (_, n) => ({
    table: 'projects',
    id: uuidOf(user, 'projects', n),
    user,
    known: n < 3,
    shared: false,
    deleted: n === 1,
  }));
  const tasks = projects.map(({ id: parent }, n) => ({
    table: 'tasks',
    id: uuidOf(user, 'tasks', n),
    user,
    known: n < 3,
    shared: false,
    deleted: n === 2,
    parent,
  }));
  return [...projects, ...tasks];
}
