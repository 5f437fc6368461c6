import type { TestDatabase } from './database.js';
import type { Device } from './device.js';
import { instant } from './instant.js';
import { toJson } from './wire.js';

/** What a changelog entry says. */
const CREATE = 1;
const UPDATE = 2;
const DELETE = 3;

export const SYNCED_TABLES = ['tasks', 'comments', 'tags', 'categories'] as const;
export type SyncedTable = (typeof SYNCED_TABLES)[number];

/** Key of the advisory lock at which a transaction stops that writes a row titled {@link GATED}. */
export const GATE = 4711;
export const GATED = 'gated';

/**
 * Lets triggers note every change of the sample app's synced tables, in the transaction that makes it: the changes
 * that commit, and no others.
 */
export async function auditChanges(database: TestDatabase): Promise<void> {
  await database.query(`CREATE TABLE audit (
    id bigserial PRIMARY KEY, table_name text, record_id text, op text,
    previous jsonb, next jsonb, txid xid8 DEFAULT pg_current_xact_id())`);
  await database.query(`CREATE FUNCTION note_change() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      INSERT INTO audit (table_name, record_id, op, previous, next)
      VALUES (TG_TABLE_NAME, coalesce(to_jsonb(NEW), to_jsonb(OLD)) ->> TG_ARGV[0], TG_OP,
              CASE WHEN TG_OP <> 'INSERT' THEN ${state('OLD')} END,
              CASE WHEN TG_OP <> 'DELETE' THEN ${state('NEW')} END);
      IF to_jsonb(NEW) ->> 'title' = '${GATED}' THEN PERFORM pg_advisory_xact_lock(${GATE}); END IF;
      RETURN NULL;
    END $$`);
  const keys = { tasks: 'id', comments: 'id', tags: 'id', categories: 'id', [SHARES]: 'task_id' };
  for (const [table, key] of Object.entries(keys)) {
    await database.query(
      `CREATE TRIGGER note_change AFTER INSERT OR UPDATE OR DELETE ON ${table}
         FOR EACH ROW EXECUTE FUNCTION note_change('${key}')`,
    );
  }
}

const SHARES = 'task_shares';

function state(row: 'OLD' | 'NEW'): string {
  const columns = ['user_id', 'task_id', 'deleted_at'].map(
    (name) => `'${name}', to_jsonb(${row}) -> '${name}'`,
  );
  return `jsonb_build_object(${columns.join(', ')})`;
}

interface RowState {
  readonly user_id: string | null;
  readonly task_id: string | null;
  readonly deleted_at: string | null;
}

interface AuditRow {
  readonly table_name: string;
  readonly record_id: string;
  readonly previous: RowState | null;
  readonly next: RowState | null;
}

/** Operations in the order of the log, by `<table> <record> <bucket>`. */
export type EntriesByKey = ReadonlyMap<string, string>;

export interface LogComparison {
  /** Changes that were compared. */
  readonly changes: number;
  /** Entries of the changelog. */
  readonly entries: number;
  /** Keys whose entries are not exactly the changes; at most a few, for the message. */
  readonly different: readonly string[];
  /** Keys whose entries can't follow each other, such as two creates. */
  readonly impossible: readonly string[];
}

/**
 * Compares the changelog with the changes that were noted: each change that a bucket could see is in it exactly once
 * and in order; no other is.
 *
 * Left to the weaker check (create, then updates, then a delete, …) are the entries that depend on when a change was
 * decoded, since they read what is current then: those of shared tasks and their comments, and of the comments
 * of a task that was hard-deleted, as for its owner they may go with it. A row that is gone by the time at which the log
 * gets to its moves comes into no other bucket: what these would have said there may be missing. Entries for one device alone are left out:
 * they come of what it asked for, not of a change.
 */
export async function compareLog(database: TestDatabase): Promise<LogComparison> {
  const audit = await database.query<AuditRow>(
    'SELECT table_name, record_id, previous, next FROM audit ORDER BY id',
  );
  const log = await database.query<{ table_name: string; record_id: string; bucket_id: string; ops: string }>(
    `SELECT table_name, record_id, bucket_id, string_agg(operation::text, '' ORDER BY seq) AS ops
       FROM sync_changelog WHERE NOT starts_with(bucket_id, 'client:') GROUP BY 1, 2, 3`,
  );
  const vague = vagueKeys(audit);
  const actual = new Map(log.map((row) => [`${row.table_name} ${row.record_id} ${row.bucket_id}`, row.ops]));
  const expected = expectedEntries(audit);
  const keys = [...new Set([...expected.keys(), ...actual.keys()])].filter((key) => !vague(key));
  const gone = new Set(
    audit.filter(({ next }) => next === null).map((row) => `${row.table_name} ${row.record_id}`),
  );
  return {
    changes: audit.length,
    entries: log.reduce((sum, { ops }) => sum + ops.length, 0),
    different: keys
      .filter((key) => {
        const [said = '', meant = ''] = [actual.get(key), expected.get(key)];
        return !(said === meant || (gone.has(key.split(' ', 2).join(' ')) && isPartOf(said, meant)));
      })
      .map((key) => `${key}: ${actual.get(key) ?? ''} instead of ${expected.get(key) ?? ''}`)
      .slice(0, 10),
    impossible: [...actual]
      .filter(([, ops]) => !/^3*(12*3+)*(12*)?$/.test(ops))
      .map(([key, ops]) => `${key}: ${ops}`)
      .slice(0, 10),
  };
}

/** Whether nothing is missing but stays in a bucket, as a whole. */
function isPartOf(said: string, meant: string): boolean {
  const [stays, all] = [wholeStays(said), wholeStays(meant)];
  return stays.every((stay) => count(stays, stay) <= count(all, stay));
}

/** What was said of a row from its coming into a bucket to its going; a delete that repeats another one is one by itself. */
function wholeStays(operations: string): readonly string[] {
  return operations.match(/12*3|12*$|3/g) ?? [];
}

function count(stays: readonly string[], stay: string): number {
  return stays.filter((one) => one === stay).length;
}

/** The consumer walks each change in its order; a row that nobody sees changes unseen. */
function expectedEntries(audit: readonly AuditRow[]): EntriesByKey {
  const owners = new Map<string, string>();
  const entries = new Map<string, string>();
  for (const row of audit) {
    const { table_name: table, record_id: id, previous, next } = row;
    if (table === 'tasks' && next) owners.set(id, next.user_id ?? '');
    const left = previous && next ? bucketsOf(table, previous, owners) : [];
    const stays = next ? bucketsOf(table, next, owners) : [];
    const before = previous?.deleted_at === null ? bucketsOf(table, previous, owners) : [];
    const after = next?.deleted_at === null ? stays : [];
    const add = (bucket: string, operation: number): void => {
      const key = `${table} ${id} ${bucket}`;
      entries.set(key, `${entries.get(key) ?? ''}${operation}`);
    };
    // One that the row leaves is told even if it was soft-deleted.
    const gone = [...before.filter((b) => !after.includes(b)), ...left.filter((b) => !stays.includes(b))];
    for (const bucket of new Set(gone)) add(bucket, DELETE);
    for (const bucket of after) add(bucket, before.includes(bucket) ? UPDATE : CREATE);
  }
  return entries;
}

function bucketsOf(table: string, row: RowState, owners: ReadonlyMap<string, string>): readonly string[] {
  switch (table) {
    case SHARES:
      return [];
    case 'tasks':
      return [`user:${row.user_id}`];
    case 'comments':
      return [`task:${row.task_id}`, `user:${owners.get(row.task_id ?? '') ?? ''}`];
    default:
      return [row.user_id === null ? 'global' : `user:${row.user_id}`];
  }
}

function vagueKeys(audit: readonly AuditRow[]): (key: string) => boolean {
  const shared = new Set(
    audit.filter(({ table_name: table }) => table === SHARES).map((row) => row.record_id),
  );
  const gone = new Set(
    audit.filter((row) => row.table_name === 'tasks' && row.next === null).map((row) => row.record_id),
  );
  const taskOf = new Map(
    audit
      .filter(({ table_name: table }) => table === 'comments')
      .map((row) => [row.record_id, row.next?.task_id ?? row.previous?.task_id ?? '']),
  );
  return (key) => {
    const [table = '', id = '', bucket = ''] = key.split(' ');
    const task = table === 'tasks' ? id : (taskOf.get(id) ?? '');
    return shared.has(task) || (table === 'comments' && gone.has(task) && bucket.startsWith('user:'));
  };
}

/** Edges that are missing, and edges that should not be there, by what the tables say now. */
export async function wrongEdges(database: TestDatabase): Promise<readonly unknown[]> {
  return database.query(`
    WITH task_bucket AS (
      SELECT id, 'user:' || user_id AS bucket FROM tasks
      UNION SELECT task_id, 'user:' || shared_with_user_id FROM task_shares
    ), wanted AS (
      SELECT 'tasks' AS t, id::text AS id, bucket, deleted_at IS NULL AS live FROM tasks JOIN task_bucket USING (id)
      UNION SELECT 'comments', c.id::text, b.bucket, c.deleted_at IS NULL
              FROM comments c JOIN task_bucket b ON b.id = c.task_id
      UNION SELECT 'comments', id::text, 'task:' || task_id, deleted_at IS NULL FROM comments
      UNION SELECT 'tags', id::text, coalesce('user:' || user_id, 'global'), deleted_at IS NULL FROM tags
      UNION SELECT 'categories', id::text, 'global', deleted_at IS NULL FROM categories
    ), stored AS (
      SELECT table_name::text, record_id::text, bucket_id::text, live FROM sync_bucket_edges
       WHERE table_name IN ('tasks', 'comments', 'tags', 'categories')
    )
    SELECT 'missing' AS problem, * FROM (TABLE wanted EXCEPT TABLE stored) m
    UNION ALL SELECT 'surplus', * FROM (TABLE stored EXCEPT TABLE wanted) s LIMIT 10`);
}

/** The live rows of a table that a user sees: id → text and `updated_at` in microseconds. */
export async function visibleRows(
  database: TestDatabase,
  table: SyncedTable,
  user: string,
): Promise<ReadonlyMap<string, string>> {
  const seen = `SELECT id FROM tasks WHERE user_id = $1
                UNION SELECT task_id FROM task_shares WHERE shared_with_user_id = $1`;
  const queries = {
    tasks: `SELECT id, title AS text, updated_at FROM tasks WHERE deleted_at IS NULL AND id IN (${seen})`,
    comments: `SELECT id, body AS text, updated_at FROM comments WHERE deleted_at IS NULL AND task_id IN (${seen})`,
    tags: `SELECT id, name AS text, updated_at FROM tags
            WHERE deleted_at IS NULL AND coalesce(user_id, $1) = $1`,
    categories: `SELECT id, name AS text, updated_at FROM categories WHERE deleted_at IS NULL AND $1 <> ''`,
  };
  const rows = await database.query<{ id: string; content: string }>(
    `SELECT id, to_json(text) || ' at ' || (extract(epoch FROM updated_at) * 1000000)::bigint AS content
       FROM (${queries[table]}) t`,
    [user],
  );
  return new Map(rows.map(({ id, content }) => [id, content]));
}

/** What a device shows, as {@link visibleRows} tells it. */
export function shown(device: Device, table: SyncedTable): ReadonlyMap<string, string> {
  const text = { tasks: 'title', comments: 'body', tags: 'name', categories: 'name' }[table];
  return new Map(
    [...device.rows(table)].map(([id, row]) => [id, `${toJson(row[text])} at ${instant(row['updated_at'])}`]),
  );
}
