import { LosslessNumber } from 'lossless-json';
import { pause } from '../support/wait.js';
import { comeBack, followNewParent, joinAgain } from './come-back.js';
import type { Json, Row } from '../support/wire.js';
import type { DeviceKind, Operation } from './operation.js';
import { peek } from './peek.js';
import { Phone } from './phone.js';
import { at, type World } from './world.js';
import { TABLE_NAMES, tableOf, type TableName } from './world/tables.js';

type Work = (world: World, phone: Phone, operation: Operation) => Promise<void> | void;

const WRITABLE = TABLE_NAMES.filter((name) => name !== 'categories');

/** What people do with their devices. Each takes its turn on its device. */
export const DEVICE_WORK: Readonly<Record<DeviceKind, Work>> = {
  create: (world, phone, { b, c }) => {
    create(world, phone, at(WRITABLE, b), c);
  },
  /** A row of each level; now and then the upper one is edited last, and so is pushed last, by itself. */
  createTree: async (world, phone, { b, c }) => {
    const [top, ...below] =
      b % 3 === 0 ? (['boards', 'cards'] as const) : (['projects', 'tasks', 'comments'] as const);
    const root = create(world, phone, top, c);
    let parent = root;
    for (const table of below) parent = create(world, phone, table, c, parent) ?? parent;
    if (!root || b % 2 === 0) return;
    // Times of edits are milliseconds.
    await pause(2);
    edit(world, phone, top, root);
    await phone.tryPush(1, phone.store.pendingCount - 1);
  },
  edit: (world, phone, { b, c }) => {
    const [table, id] = anyRow(phone, b, c);
    if (id) edit(world, phone, table, id);
  },
  /** More edits than one push takes. */
  editMany: (world, phone, { b, c }) => {
    for (let n = 0; n < 25; n++) {
      if (n % 3 === 0) create(world, phone, at(WRITABLE, b + n), c + n);
      const [table, id] = anyRow(phone, b + n, c + n);
      if (id) edit(world, phone, table, id);
    }
  },
  remove: (world, phone, { b, c }) => {
    const [table, id] = anyRow(phone, b, c);
    if (!id) return;
    phone.delete(table, id);
    world.did('remove');
  },
  /** An app's INSERT OR REPLACE of what it had deleted. */
  restore: (world, phone, { b, c }) => {
    const dead = WRITABLE.flatMap((table) =>
      [...phone.store.all(table)]
        .filter(([, row]) => row['deleted_at'] !== null)
        .map(([id, row]) => [table, id, row] as const),
    );
    if (dead.length === 0) return;
    const [table, id, row] = at(dead, b + c);
    phone.create(table, { ...row, ...world.values(), deleted_at: null }, id);
    world.did('restore');
  },
  /** An app may let its user move a row, which the server does not take from a device. */
  moveLocally: (world, phone, { b, c }) => {
    const table = at(['tasks', 'comments', 'cards', 'lines'] as const, b);
    const { parent } = tableOf(table);
    const [id] = pick(phone, table, c);
    const [above] = parent ? pick(phone, parent.table as TableName, c + 1) : [];
    if (!id || !above || !parent) return;
    phone.update(table, id, { [parent.fk]: reference(parent.table, above) });
    world.did('moveLocally');
  },
  /** Someone who has learned an id pushes changes to it. */
  forge: async (world, phone, { b, c }) => {
    const table = at(WRITABLE, b);
    const [row] = await world.someRows(table, c, 1);
    if (!row) return;
    const base = c % 2 === 0 ? row.updated_at : null;
    const operation = at(['create', 'update', 'delete'] as const, c);
    const id = c % 5 === 0 ? inCapitals(table, row.id) : row.id;
    const data = { id, ...world.values(), ...foreignKeys(table, row), user_id: phone.userId };
    await phone.attempt(() => phone.forge({ id, table_name: table, operation, data, base_updated_at: base }));
    world.did('forge');
  },
  sync: async (_world, phone) => {
    await phone.trySync();
  },
  push: async (_world, phone, { b }) => {
    await phone.tryPush(1, 1 + (b % 4));
  },
  pushTwice: async (_world, phone) => {
    await phone.tryPush(2);
  },
  loseAnswer: async (_world, phone, { b }) => {
    phone.loseAnswer(1 + (b % 4));
    await phone.trySync();
    phone.loseAnswer(0);
  },
  reopen: async (_world, phone) => {
    phone.reopen();
    await phone.trySync();
  },
  /** The app is deleted, and installed again: what was not pushed is gone, as its user was told. */
  reinstall: (world, phone) => {
    world.replacePhone(phone);
  },
  peek,
  comeBack,
  joinAgain,
  followNewParent,
  /** Another one signs in; the app keeps its identity, and drops what was there. */
  changeUser: (world, phone, { b }) => {
    world.replacePhone(phone, world.user(b), phone.clientId);
    world.did('changeUser');
  },
  /** An app that asks for some tables first, and throws the answer away. */
  pullSome: async (world, phone, { b, c }) => {
    const tables = [at(TABLE_NAMES, b), at(TABLE_NAMES, c)];
    await phone.attempt(() => phone.pullPage({ tables, limit: 1 + (c % 5) }));
    world.did('pullSome');
  },
};

function create(
  world: World,
  phone: Phone,
  table: TableName,
  choice: number,
  parentId?: string,
): string | undefined {
  const { parent, owner, team } = tableOf(table);
  const [above] = parent && !parentId ? pick(phone, parent.table as TableName, choice) : [parentId];
  if (parent && !above) return undefined;
  const values: Row = {
    ...world.values(),
    ...(owner && { user_id: phone.userId }),
    ...(team && { team: world.team(choice) }),
    ...mood(phone, table, choice),
    ...(parent && above ? { [parent.fk]: reference(parent.table, above) } : {}),
  };
  world.did('create');
  const id = world.newId(table);
  if (choice % 4 !== 0) return phone.create(table, values, id);
  world.did('capitals');
  return phone.create(table, values, inCapitals(table, id));
}

/** A UUID means the same in capitals; a text does not. */
function inCapitals(table: TableName, id: string): string {
  return tableOf(table).keys === undefined ? id.toUpperCase() : id;
}

/** A reference to a row, as a device's database has it. */
function reference(table: string, id: string): Json {
  return tableOf(table).keys === 'bigint' ? new LosslessNumber(id) : id;
}

/** Another row's label, as the device has it. */
function mood(phone: Phone, table: TableName, choice: number): Row {
  const [other] = tableOf(table).moody ? pick(phone, table, choice) : [];
  const label = other === undefined ? undefined : phone.row(table, other)?.['mood'];
  return label == null ? {} : { mood: label };
}

function edit(world: World, phone: Phone, table: TableName, id: string): void {
  const values = world.values();
  phone.update(table, id, { ...values, ...mood(phone, table, Number(values['rank'])) });
  world.did('edit');
}

function foreignKeys(table: TableName, row: Readonly<Record<string, unknown>>): Row {
  const { parent, team } = tableOf(table);
  return {
    ...(parent && { [parent.fk]: reference(parent.table, String(row[parent.fk])) }),
    ...(team && { team: String(row[team]) }),
  };
}

function pick(phone: Phone, table: TableName, choice: number): readonly string[] {
  const ids = phone.hasSchema ? [...phone.rows(table).keys()] : [];
  return ids.length === 0 ? [] : [at(ids, choice)];
}

function anyRow(phone: Phone, table: number, choice: number): readonly [TableName, string | undefined] {
  const name = at(WRITABLE, table);
  return [name, pick(phone, name, choice)[0]];
}
