import { isLosslessNumber } from 'lossless-json';

/**
 * The tables of the world that the oracle watches, as plain facts: the host app, its schema and the oracle's own rules
 * are all made from them. Every table has `id`, `title`, `rank`, `amount`, `data`, `updated_at` and `deleted_at`.
 */
export interface WorldTable {
  readonly name: string;
  /** Column with the user who may write the row. */
  readonly owner?: 'user_id';
  /** Column whose value names who reads the row, instead of its owner. */
  readonly team?: 'team';
  readonly parent?: { readonly table: string; readonly fk: string };
  /** Rows are also read by who watches their parent. */
  readonly watched?: true;
  /** Rows are also read by the users of `note_shares`. */
  readonly shared?: true;
  /** Rows are also read by the users of `sheet_members`, and written by those of them who can edit. */
  readonly members?: true;
  /** It has a column of the enum `mood`, whose labels are renamed now and then: `calm_<n>` and `wild_<n>`. */
  readonly moody?: true;
  /** What its keys are: texts differ by case, a bigint has more digits than a JavaScript number. Default: uuid. */
  readonly keys?: 'text' | 'bigint';
  /** Who reads rows without an owner, or every row of a table that has no owner at all. */
  readonly everyone?: true;
}

/** By this name PostgreSQL knows the connections of the world's app. */
export const WORLD_APP = 'world-app';

export const TABLES = [
  { name: 'projects', owner: 'user_id' },
  { name: 'tasks', parent: { table: 'projects', fk: 'project_id' } },
  { name: 'comments', parent: { table: 'tasks', fk: 'task_id' }, watched: true },
  { name: 'boards', owner: 'user_id', team: 'team', keys: 'bigint' },
  { name: 'cards', parent: { table: 'boards', fk: 'board_id' }, moody: true },
  { name: 'notes', owner: 'user_id', shared: true },
  { name: 'sheets', owner: 'user_id', members: true },
  { name: 'lines', parent: { table: 'sheets', fk: 'sheet_id' } },
  { name: 'tags', owner: 'user_id', everyone: true, keys: 'text' },
  { name: 'categories', everyone: true },
] as const satisfies readonly WorldTable[];

export type TableName = (typeof TABLES)[number]['name'];

export const TABLE_NAMES = TABLES.map(({ name }) => name);

const BY_NAME = new Map<string, WorldTable>(TABLES.map((table) => [table.name, table]));

export function tableOf(name: string): WorldTable {
  const table = BY_NAME.get(name);
  if (!table) throw new Error(`The world has no table ${name}.`);
  return table;
}

/** The SQL type of a table's keys. */
export function keyType({ keys }: WorldTable): string {
  return keys ?? 'uuid';
}

/** How many parents are above a table's rows. */
export function depthOf(name: string): number {
  const { parent } = tableOf(name);
  return parent ? 1 + depthOf(parent.table) : 0;
}

export interface RowName {
  readonly table: TableName;
  readonly id: string;
}

/** The parent that a row names; undefined where its table has none. */
export function parentOf(name: string, row: Readonly<Record<string, unknown>>): RowName | undefined {
  const { parent } = tableOf(name);
  return parent && { table: parent.table as TableName, id: idText(row[parent.fk]) };
}

/** An id or a reference, to the last digit; empty where there is none. */
export function idText(value: unknown): string {
  if (typeof value === 'string') return value;
  return typeof value === 'number' || isLosslessNumber(value) ? value.toString() : '';
}

/** The columns of a pushed row that the server takes from a device. */
export function writtenColumns(table: TableName, data: Readonly<Record<string, unknown>>): readonly string[] {
  const { team, moody } = tableOf(table);
  const free = ['title', 'rank', 'amount', 'data', ...(team ? [team] : []), ...(moody ? ['mood'] : [])];
  return free.filter((column) => data[column] !== undefined);
}

/** Tables that are not synced, and decide who reads and writes what: their key columns. */
export const GRANTS = {
  note_shares: ['note_id', 'user_id'],
  team_members: ['team', 'user_id'],
  watches: ['task_id', 'user_id'],
  sheet_members: ['sheet_id', 'user_id'],
} as const;

export type GrantName = keyof typeof GRANTS;

function createSql(table: WorldTable): string {
  const columns = [
    `id ${keyType(table)} PRIMARY KEY`,
    ...(table.owner ? [`user_id text${table.everyone ? '' : ' NOT NULL'}`] : []),
    ...(table.team ? ['team text NOT NULL'] : []),
    ...(table.parent
      ? [
          `${table.parent.fk} ${keyType(tableOf(table.parent.table))} NOT NULL REFERENCES ${table.parent.table} ON UPDATE CASCADE ON DELETE CASCADE DEFERRABLE`,
        ]
      : []),
    'title text NOT NULL',
    'rank integer',
    'amount numeric(12, 2)',
    'data jsonb',
    ...(table.moody ? [`mood mood NOT NULL DEFAULT 'calm_0'`] : []),
    'updated_at timestamptz NOT NULL DEFAULT now()',
    'deleted_at timestamptz',
  ];
  const indexed = table.parent?.fk ?? table.owner;
  return [
    `CREATE TABLE ${table.name} (${columns.join(', ')})`,
    ...(indexed ? [`CREATE INDEX ON ${table.name} (${indexed})`] : []),
  ].join(';\n');
}

/**
 * `history` gets every change of every table, in the transaction that makes it: those that commit, and no others.
 * When they did, PostgreSQL knows (`track_commit_timestamp`).
 */
const HISTORY = `
CREATE TABLE history (
  id bigserial PRIMARY KEY,
  xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
  table_name text NOT NULL,
  before jsonb,
  after jsonb
);
CREATE FUNCTION note_change() RETURNS trigger LANGUAGE plpgsql SET search_path = public AS $$
BEGIN
  INSERT INTO history (table_name, before, after)
  VALUES (TG_ARGV[0], CASE WHEN TG_OP <> 'INSERT' THEN to_jsonb(OLD) END, CASE WHEN TG_OP <> 'DELETE' THEN to_jsonb(NEW) END);
  RETURN NULL;
END $$;
CREATE FUNCTION note_truncate() RETURNS trigger LANGUAGE plpgsql SET search_path = public AS $$
BEGIN
  INSERT INTO history (table_name) VALUES (TG_TABLE_NAME);
  RETURN NULL;
END $$`;

/** Of which ranks rows of a table raise while something raises for them. */
const RAISED_RANKS: Readonly<Record<string, { readonly each: number; readonly rest: number }>> = {
  tags: { each: 10, rest: 7 },
  notes: { each: 3, rest: 1 },
};

export function isRaisedFor(table: string, rank: unknown): boolean {
  const raised = RAISED_RANKS[table];
  return raised !== undefined && Number(rank ?? 0) % raised.each === raised.rest;
}

/** The same in SQL. */
export function raisedForSql(table: string, rank: string): string {
  const raised = RAISED_RANKS[table];
  return raised ? `${rank} % ${raised.each} = ${raised.rest}` : 'false';
}

/** What fails on purpose in the code of the world's app. */
const FAULTS = `CREATE TABLE world_faults (name text PRIMARY KEY)`;

/** As SQL may decide who reads a note: its owner, and whom it is shared with. */
const NOTE_BUCKETS = `
CREATE FUNCTION note_buckets(table_name text, operation text, new_row jsonb, old_row jsonb) RETURNS SETOF text
LANGUAGE sql STABLE SET search_path = public AS $$
  SELECT 'user:' || (new_row ->> 'user_id')
  UNION SELECT 'user:' || user_id FROM note_shares WHERE note_id = (new_row ->> 'id')::uuid
$$`;

/** Everything that the world's database has before its app is started for the first time. */
export function worldSql(besides = ''): string {
  const noted = [...TABLE_NAMES, ...Object.keys(GRANTS)].map(
    (name) => `
CREATE TRIGGER note_change AFTER INSERT OR UPDATE OR DELETE ON ${name} FOR EACH ROW EXECUTE FUNCTION note_change('${name}');
CREATE TRIGGER note_truncate AFTER TRUNCATE ON ${name} FOR EACH STATEMENT EXECUTE FUNCTION note_truncate()`,
  );
  return [
    `CREATE TYPE mood AS ENUM ('calm_0', 'wild_0')`,
    ...TABLES.map(createSql),
    `CREATE TABLE note_shares (note_id uuid REFERENCES notes ON UPDATE CASCADE ON DELETE CASCADE, user_id text, PRIMARY KEY (note_id, user_id))`,
    'CREATE TABLE team_members (team text, user_id text, PRIMARY KEY (team, user_id))',
    'CREATE TABLE watches (task_id uuid, user_id text, PRIMARY KEY (task_id, user_id))',
    `CREATE TABLE sheet_members (sheet_id uuid, user_id text, can_edit boolean NOT NULL DEFAULT random() < 0.6,
       PRIMARY KEY (sheet_id, user_id))`,
    'CREATE INDEX ON sheet_members (user_id)',
    NOTE_BUCKETS,
    ...(besides === '' ? [] : [besides]),
    HISTORY,
    FAULTS,
    ...noted,
  ].join(';\n');
}
