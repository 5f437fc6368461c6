import type { Client } from 'pg';
import { loseSlot } from './lose-slot.js';
import { pause } from '../support/wait.js';
import type { AdminKind, Operation, WriterKind } from './operation.js';
import { pileUp } from './pile-up.js';
import { TROUBLE_WORK } from './troubles.js';
import { at, type World } from './world.js';
import { GRANTS, keyType, TABLE_NAMES, tableOf, type GrantName, type TableName } from './world/tables.js';

type Run = (sql: string, ...values: readonly unknown[]) => Promise<unknown>;
type Work = (world: World, run: Run, operation: Operation) => Promise<unknown>;

/** Longest time, in milliseconds, for which something is held that others wait for. */
const HOLD = 400;
/** Rows of a table. */
const MANY = 200;
const SINGLE = ['insert', 'update', 'softDelete', 'moveOwner', 'moveParent', 'undelete'] as const;

/** What the host's own code does to its tables, past sync. */
export const WRITER_WORK: Readonly<Record<WriterKind, Work>> = {
  insert: (world, run, { a, b, c }) => insert(world, run, at(TABLE_NAMES, a), b, 1 + (c % 3)),
  update: async (world, run, { a, b, c }) => {
    await change(
      world,
      run,
      at(TABLE_NAMES, a),
      b,
      1 + (c % 4),
      `title = '${world.text()}', updated_at = now()`,
    );
  },
  /** As code does that forgets to move the time. */
  updateSilently: async (world, run, { a, b, c }) => {
    await change(
      world,
      run,
      at(TABLE_NAMES, a),
      b,
      1 + (c % 2),
      `title = '${world.text()}', rank = ${c % 100}`,
    );
  },
  softDelete: async (world, run, { a, b, c }) => {
    await change(world, run, at(TABLE_NAMES, a), b, 1 + (c % 2), 'deleted_at = now(), updated_at = now()');
  },
  undelete: async (world, run, { a, b, c }) => {
    const time = c % 2 === 0 ? ', updated_at = now()' : '';
    await change(world, run, at(TABLE_NAMES, a), b, 3, `deleted_at = NULL${time}`);
  },
  hardDelete: async (world, run, { a, b }) => {
    const table = at(TABLE_NAMES, a);
    const ids = await world.someIds(table, b, MANY);
    // A world that goes on for long must not grow.
    const gone = ids.slice(0, ids.length === MANY ? MANY / 4 : 1);
    await run(`DELETE FROM ${table} WHERE id = ANY($1::${keyType(tableOf(table))}[])`, gone);
    world.did('hardDelete', gone.length);
  },
  moveOwner: async (world, run, { a, b, c }) => {
    const table = at(['projects', 'projects', 'notes', 'boards', 'tags', 'sheets'] as const, a);
    const owner = table === 'tags' && c % 3 === 0 ? 'NULL' : `'${world.user(c)}'`;
    const team = table === 'boards' && c % 2 === 0 ? `, team = '${world.team(c)}'` : '';
    const time = a % 2 === 0 ? ', updated_at = now()' : '';
    await change(world, run, table, b, 1, `user_id = ${owner}${team}${time}`);
    world.did('moved');
  },
  moveParent: async (world, run, { a, b, c }) => {
    const table = at(['tasks', 'comments', 'cards', 'lines'] as const, a);
    const { parent } = tableOf(table);
    const [above] = await world.someIds((parent?.table ?? '') as TableName, c, 1);
    if (!parent || above === undefined) return;
    await change(world, run, table, b, 1, `${parent.fk} = '${above}', updated_at = now()`);
    world.did('moved');
  },
  share: async (world, run, { a, b, c }) =>
    a % 2 === 0
      ? grant(world, run, 'note_shares', await world.someIds('notes', b, 1), c)
      : grant(world, run, 'sheet_members', await world.someIds('sheets', b, 1), c),
  unshare: (world, run, { a, b }) => revoke(world, run, a % 2 === 0 ? 'note_shares' : 'sheet_members', b),
  join: (world, run, { b, c }) => grant(world, run, 'team_members', [world.team(b)], c),
  leave: (world, run, { b }) => revoke(world, run, 'team_members', b),
  watch: async (world, run, { b, c }) => grant(world, run, 'watches', await world.someIds('tasks', b, 1), c),
  unwatch: (world, run, { b }) => revoke(world, run, 'watches', b),
  rekey: async (world, run, { a, b }) => {
    const table = at(TABLE_NAMES, a);
    await change(world, run, table, b, 1, `id = '${world.newId(table)}'`);
  },
  bulk: async (world, run, { a, b, c }) => {
    const table = at(TABLE_NAMES, a);
    await insert(world, run, table, b, 40);
    await change(world, run, table, b, 20, `rank = ${c % 1000}, updated_at = clock_timestamp()`);
    const ids = await world.someIds(table, c, 35);
    await run(`DELETE FROM ${table} WHERE id = ANY($1::${keyType(tableOf(table))}[])`, ids);
  },
  pileUp,
  /** Several kinds of change in one transaction, on the same rows, too; some are rolled back. */
  manyAtOnce: (world, _run, operation) =>
    transaction(world, operation.c % 5 === 0, async (client) => {
      for (let n = 0; n < 4; n++) await single(world, client, operation, n);
    }),
  longTransaction: (world, _run, operation) =>
    transaction(world, operation.c % 5 === 0, async (client) => {
      await single(world, client, operation, 0);
      await pause(operation.b % HOLD);
      await single(world, client, operation, 1);
    }),
};

/** What an administrator does. */
export const ADMIN_WORK: Readonly<Record<AdminKind, Work>> = {
  ...TROUBLE_WORK,
  truncate: async (world, run, { a, b }) => {
    await run(`TRUNCATE ${at(['comments', 'cards', 'tags', 'notes, note_shares'], a + b)}`);
    world.did('truncate');
  },
  /** The slot is dropped, and with it what was not read yet: every device takes a snapshot. */
  loseSlot: async (world) => {
    await world.whileDisturbed(() => loseSlot(world.database));
    world.did('loseSlot');
  },
  compact: async (world) => {
    await world.compact();
    world.did('compact');
  },
  addColumn: async (world, run, { a, b }) => {
    const column = `extra_${b % 3}`;
    await world.watch.whileSchemaChanges(() =>
      run(`ALTER TABLE ${at(TABLE_NAMES, a)} ADD COLUMN IF NOT EXISTS ${column} text`),
    );
    world.did('addColumn');
  },
  holdConsumer: async (world, _run, { b }) => {
    await world.whileLogIsHeld(() => pause(b % HOLD));
    world.did('holdConsumer');
  },
};

async function transaction(
  world: World,
  rollBack: boolean,
  work: (client: Client) => Promise<void>,
): Promise<void> {
  await world.withClient(async (client) => {
    // What it looks up elsewhere may wait for who waits for it.
    await client.query(`SET idle_in_transaction_session_timeout = '3s'; BEGIN`);
    await work(client);
    await client.query(rollBack ? 'ROLLBACK' : 'COMMIT');
  });
}

async function single(world: World, client: Client, operation: Operation, n: number): Promise<void> {
  const { a, b, c } = operation;
  const run: Run = (sql, ...values) => client.query(sql, [...values]);
  await WRITER_WORK[at(SINGLE, c + n)](world, run, { ...operation, a: a + n, b: b + (n >> 1), c: c + n });
}

async function insert(
  world: World,
  run: Run,
  table: TableName,
  choice: number,
  count: number,
): Promise<void> {
  const { owner, team, parent, everyone } = tableOf(table);
  const [above] = parent ? await world.someIds(parent.table as TableName, choice, 1) : [];
  if (parent && above === undefined) return;
  const user = everyone && choice % 2 === 0 ? null : world.user(choice);
  const columns = {
    ...(owner && { user_id: user }),
    ...(team && { team: world.team(choice) }),
    ...(parent && { [parent.fk]: above }),
    ...world.values(),
  };
  const names = Object.keys(columns);
  const ids = Array.from({ length: count }, () => world.newId(table));
  await run(
    `INSERT INTO ${table} (id, ${names.join(', ')})
     SELECT t.id, ${names.map((name) => `given.${name}`).join(', ')}
       FROM unnest($1::${keyType(tableOf(table))}[]) AS t (id), jsonb_populate_record(NULL::${table}, $2) AS given`,
    ids,
    JSON.stringify(columns),
  ).catch(unlessParentIsGone);
  world.did('insert', count);
}

async function change(
  world: World,
  run: Run,
  table: TableName,
  choice: number,
  count: number,
  set: string,
): Promise<void> {
  const ids = await world.someIds(table, choice, count);
  if (ids.length === 0) return;
  await run(`UPDATE ${table} SET ${set} WHERE id = ANY($1::${keyType(tableOf(table))}[])`, ids).catch(
    unlessParentIsGone,
  );
  world.did('update', ids.length);
}

async function grant(
  world: World,
  run: Run,
  table: GrantName,
  what: readonly string[],
  who: number,
): Promise<void> {
  if (what.length === 0) return;
  const columns = GRANTS[table].join(', ');
  await run(
    `INSERT INTO ${table} (${columns}) VALUES ($1, $2) ON CONFLICT DO NOTHING`,
    what[0],
    world.user(who),
  ).catch(unlessParentIsGone);
  world.did('grant');
}

async function revoke(world: World, run: Run, table: GrantName, choice: number): Promise<void> {
  const [first] = GRANTS[table];
  await run(
    `DELETE FROM ${table} WHERE (${first}, user_id) IN (
       SELECT ${first}, user_id FROM ${table} ORDER BY md5(${first}::text || user_id || $1) LIMIT 1)`,
    String(choice),
  );
  world.did('revoke');
}

const FOREIGN_KEY_VIOLATION = '23503';

/** Between choosing a parent and using it somebody may have deleted it. */
function unlessParentIsGone(error: unknown): void {
  if (!(error instanceof Error && 'code' in error && error.code === FOREIGN_KEY_VIOLATION)) throw error;
}
