import { escapeLiteral } from 'pg';
import { pause } from '../support/wait.js';
import type { Operation } from './operation.js';
import type { Phone } from './phone.js';
import { at, type World } from './world.js';
import { GRANTS, keyType, tableOf, TABLE_NAMES, type GrantName, type TableName } from './world/tables.js';

/** Long enough for the consumer, as a rule. */
const APPLIED = 30;
/** At which a device looks, of what the log has missed. */
const STEPS = 3;

type Texts = Readonly<Record<string, string | null>>;

/** How a row leaves a device, and how it comes back. */
interface Way {
  readonly go: () => Promise<unknown>;
  readonly back: () => Promise<unknown>;
}

/**
 * A row that a device holds goes and comes back, and the device asks in between and behind: while the log is held, so that
 * it knows of neither, or as the log goes on. The row's time moves or does not, with either step. Now and then the log has
 * changes of it, and of the rows below it, that the device has not asked for yet.
 */
export async function comeBack(world: World, phone: Phone, operation: Operation): Promise<void> {
  const { a, b, c } = operation;
  const table = at(TABLE_NAMES, b);
  const ids = [...phone.rows(table).keys()];
  if (ids.length === 0) return;
  const id = at(ids, c);
  const row = await read(world, table, id);
  if (!row) return;
  const { go, back } = at(ways(world, phone, { table, row, operation }), a >> 3);
  if (b % 3 === 0) await touch(world, table, id);
  if (c % 4 === 0 && tableOf(table).owner) phone.update(table, id, world.values());
  const change = async (): Promise<void> => {
    if (c % 2 === 0) await touch(world, table, id);
  };
  await (a % 2 === 0 ? whileHeld : inSteps)({ world, phone, go, back, change });
  world.did('comeBack');
}

interface Scene extends Way {
  readonly world: World;
  readonly phone: Phone;
  readonly change: () => Promise<void>;
}

async function inSteps({ phone, go, back }: Scene): Promise<void> {
  for (const step of [go, back]) {
    await step();
    await pause(APPLIED);
    await phone.trySync();
  }
}

async function whileHeld({ world, phone, go, back, change }: Scene): Promise<void> {
  await world.whileLogIsHeld(async (log) => {
    await go();
    await phone.trySync();
    await back();
    await change();
    await phone.trySync();
    for (let steps = 0; steps < STEPS; steps++) {
      await log.step();
      await phone.trySync();
    }
  });
}

/** Changes a row and those below it. */
async function touch(world: World, table: TableName, id: string): Promise<void> {
  const set = `title = '${world.text()}', updated_at = clock_timestamp()`;
  await world.database.query(`UPDATE ${table} SET ${set} WHERE id = ${escapeLiteral(id)}`);
  for (const name of TABLE_NAMES) {
    const { parent } = tableOf(name);
    if (parent?.table === table)
      await world.database.query(`UPDATE ${name} SET ${set} WHERE ${parent.fk} = ${escapeLiteral(id)}`);
  }
  await pause(APPLIED);
}

/** A row's values as text. */
async function read({ database }: World, table: TableName, id: string): Promise<Texts | undefined> {
  const [found] = await database.query<{ row: Texts }>(
    `SELECT (SELECT jsonb_object_agg(key, value) FROM jsonb_each_text(to_jsonb(t))) AS row
       FROM ${table} t WHERE id = $1::${keyType(tableOf(table))}`,
    [id],
  );
  return found?.row;
}

interface Choice {
  readonly table: TableName;
  readonly row: Texts;
  readonly operation: Operation;
}

function ways(world: World, { userId }: Phone, { table, row, operation: { a, c } }: Choice): readonly Way[] {
  const { database } = world;
  const { owner, parent, team, shared, members, watched } = tableOf(table);
  const { id = null } = row;
  const set = (column: string, value: string | null | undefined, step: 1 | 2): Promise<unknown> => {
    const time = ((a >> step) & 1) === 0 ? '' : ', updated_at = clock_timestamp()';
    return database.query(
      `UPDATE ${table} SET ${column} = ${literal(value)}${time} WHERE id = ${literal(id)}`,
    );
  };
  const change = (column: string, other: () => Promise<string | undefined> | string): Way => ({
    go: async () => set(column, (await other()) ?? row[column], 1),
    back: () => set(column, row[column], 2),
  });
  const grant = (name: GrantName, what: string | null | undefined): Way => {
    const [first] = GRANTS[name];
    return {
      go: () =>
        database.query(`DELETE FROM ${name} WHERE ${first} = ${literal(what)} AND user_id = $1`, [userId]),
      back: () =>
        database.query(
          `INSERT INTO ${name} (${first}, user_id) VALUES (${literal(what)}, $1) ON CONFLICT DO NOTHING`,
          [userId],
        ),
    };
  };
  const grants = [
    ...(team ? [grant('team_members', row[team])] : []),
    ...(shared ? [grant('note_shares', id)] : []),
    ...(members ? [grant('sheet_members', id)] : []),
    ...(watched ? [grant('watches', row['task_id'])] : []),
  ];
  return [
    change('deleted_at', () => new Date().toISOString()),
    {
      go: () => database.query(`DELETE FROM ${table} WHERE id = ${literal(id)}`),
      back: () => insertAgain(world, table, row, ((a >> 2) & 1) === 1),
    },
    ...(owner ? [change('user_id', () => world.user(c))] : []),
    ...(parent
      ? [change(parent.fk, async () => (await world.someIds(parent.table as TableName, c, 1))[0])]
      : []),
    ...(row['user_id'] === userId ? [] : [...grants, ...grants]),
    ...grants,
  ];
}

/** As an undo does it, or with a time of its own. */
async function insertAgain({ database }: World, table: TableName, row: Texts, isNew: boolean): Promise<void> {
  const generated = await database.query<{ name: string }>(
    `SELECT attname AS name FROM pg_attribute WHERE attrelid = $1::regclass AND attgenerated <> ''`,
    [table],
  );
  const names = Object.keys(row).filter((column) => !generated.some(({ name }) => name === column));
  const values = names.map((name) =>
    isNew && name === 'updated_at' ? 'clock_timestamp()' : literal(row[name]),
  );
  await database.query(`INSERT INTO ${table} (${names.join(', ')}) VALUES (${values.join(', ')})`);
}

/** Of any type: the column says which. */
function literal(text: string | null | undefined): string {
  return text == null ? 'NULL' : escapeLiteral(text);
}

/**
 * A user leaves a team, rows of it come and go, and the user is a member again: of those rows there is nothing to tell.
 */
export async function joinAgain(world: World, phone: Phone, { b, c }: Operation): Promise<void> {
  const team = world.team(b);
  const members = (sql: string): Promise<unknown> => world.database.query(sql, [team, phone.userId]);
  const look = async (): Promise<void> => {
    await pause(APPLIED);
    await phone.trySync();
  };
  await members('DELETE FROM team_members WHERE team = $1 AND user_id = $2');
  await look();
  await look();
  const board = world.newId('boards');
  await world.database.query('INSERT INTO boards (id, user_id, team, title) VALUES ($1, $2, $3, $4)', [
    board,
    world.user(c),
    team,
    world.text(),
  ]);
  await world.database.query('DELETE FROM boards WHERE id = $1', [board]);
  await pause(APPLIED);
  await members('INSERT INTO team_members VALUES ($1, $2) ON CONFLICT DO NOTHING');
  await look();
  world.did('joinAgain');
}

/** A task comes to a project of the same user, and then that project goes to another one. */
export async function followNewParent(world: World, phone: Phone, { b, c }: Operation): Promise<void> {
  const [found] = await world.database.query<{ task: string; project: string }>(
    `SELECT t.id AS task, other.id AS project
       FROM tasks t JOIN projects p ON p.id = t.project_id
       JOIN projects other ON other.user_id = p.user_id AND other.id <> p.id
      WHERE p.user_id = $1 AND t.title LIKE 'text %' AND other.title LIKE 'text %'
      ORDER BY md5(t.id::text || other.id::text || $2) LIMIT 1`,
    [phone.userId, String(b)],
  );
  if (!found) return;
  const time = c % 2 === 0 ? '' : ', updated_at = clock_timestamp()';
  await world.database.query(`UPDATE tasks SET project_id = $2${time} WHERE id = $1`, [
    found.task,
    found.project,
  ]);
  await pause(APPLIED);
  await world.database.query(
    'UPDATE projects SET user_id = $2, updated_at = clock_timestamp() WHERE id = $1',
    [found.project, world.user(c)],
  );
  world.did('followNewParent');
}
