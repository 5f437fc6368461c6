import type { ClientKind, Operation } from '../../../test/oracle/operation.js';
import { canonicalId } from '../../../test/oracle/ids.js';
import {
  keyType,
  parentOf,
  TABLE_NAMES,
  tableOf,
  type TableName,
} from '../../../test/oracle/world/tables.js';
import { at, type World } from '../../../test/oracle/world.js';
import { SyncError } from '../../src/index.js';
import type { Refused, Row } from '../../src/records/record.js';
import type { Home } from './home.js';
import type { Typed } from './ledger.js';
import type { Edit, Screen } from './screen.js';

/** Where something happens. */
interface Place {
  readonly world: World;
  readonly home: Home;
  readonly screen: Screen;
  readonly operation: Operation;
}

type Work = (place: Place) => Promise<void> | void;

const WRITABLE = TABLE_NAMES.filter((name) => name !== 'categories');
/** Milliseconds for which a user waits. */
const IMPATIENCE = 1_500;

/** What people do with devices of this client, and what becomes of those. */
export const CLIENT_WORK: Readonly<Record<ClientKind, Work>> = {
  clientCreate: async (place) => {
    const { b, c } = place.operation;
    const created = await newRow(place, at(WRITABLE, b), c);
    if (created) await type(place, [created], false);
  },
  /** A row of each level, and perhaps one of them edited at once. */
  clientTree: async (place) => {
    const { b, c } = place.operation;
    const tables =
      b % 3 === 0 ? (['boards', 'cards'] as const) : (['projects', 'tasks', 'comments'] as const);
    const edits: Edit[] = [];
    for (const table of tables) {
      const created = await newRow(place, table, c, edits.at(-1)?.id);
      if (created) edits.push(created);
    }
    const [first] = edits;
    if (first && c % 4 === 0) edits.push({ ...first, operation: 'update', values: freeValues(place.world) });
    if (c % 2 === 0) await type(place, edits, true);
    else for (const edit of edits) await type(place, [edit], false);
  },
  clientEdit: async (place) => {
    const { b, c } = place.operation;
    const edit = await update(place, at(WRITABLE, b), c);
    if (edit) await type(place, [edit], false);
  },
  clientMany: async (place) => {
    const { b, c } = place.operation;
    const edits: Edit[] = [];
    for (let n = 0; n < 12; n++) {
      const edit = await update(place, at(WRITABLE, b + n), c + n);
      if (edit) edits.push(edit);
    }
    await type(place, edits, c % 2 === 0);
  },
  clientRemove: async (place) => {
    const { b, c } = place.operation;
    const edit = await update(place, at(WRITABLE, b), c);
    if (edit) await type(place, [{ ...edit, operation: 'delete', values: {} }], false);
  },
  /** What the server refused is tried again, given up, or written over the server's version. */
  clientResolve: async ({ home: { ledger }, screen, operation: { b, c } }) => {
    const rejected = await screen.rejected();
    const item = rejected[b % rejected.length];
    if (!item) return;
    const items = [item, ...rejected.filter(({ under }) => under === item.key)];
    if (c % 3 === 0) await ledger.type(items.map(typedAgain), () => screen.retry(item.key));
    else if (c % 3 === 1) {
      for (const each of items) ledger.drop(each);
      await screen.discard(item.key).catch(unlessGone);
    } else {
      await screen.keepMine((conflict, made) => {
        ledger.type([typedAgain(conflict)], async () => [await made]).catch(unlessGone);
      });
    }
  },
  clientCatchUp: async ({ screen }) => {
    await screen.caughtUp(IMPATIENCE).catch(unlessGone);
  },
  clientOffline: ({ home, operation: { b } }) => home.weather.add('offline', 1 + (b % 8)),
  clientLoseAnswer: ({ home, operation: { b, c } }) => home.weather.add('lost', 1 + (b % 2), c % 4),
  clientBusy: ({ home, operation: { b } }) => home.weather.add('busy', 1 + (b % 2)),
  clientLogin: ({ home }) => home.weather.add('login', 1),
  clientSlow: ({ home, operation: { b } }) => home.weather.add('slow', 1 + (b % 6)),
  clientExpire: ({ home, operation: { b } }) => home.weather.expire(b % 4),
  clientFull: ({ screen, operation: { b } }) => screen.fill(1 + (b % 3)),
  clientKill: ({ screen, operation: { b, c } }) =>
    screen.kill(b % 5 === 0 ? undefined : { writes: 1 + (b % 5), isStored: c % 2 === 0 }),
  clientReload: ({ home, screen }) => home.reload(screen),
  clientFreeze: ({ home, operation: { b } }) => (b % 3 === 0 ? home.thaw() : home.freezeLeader()),
  clientSignOut: async ({ home, screen, operation: { b } }) => {
    const pending = at(['push', 'push', 'keep', 'discard'] as const, b);
    home.ledger.diary.note(`signs out: ${pending}`);
    if (pending === 'discard') home.ledger.dropAll();
    try {
      await screen.signOut(pending, IMPATIENCE);
    } catch (error) {
      return unlessGone(error);
    } finally {
      // Also where the screen died before it could say that all was removed.
      if (pending === 'discard') home.ledger.dropAll();
      home.ledger.diary.note(`has signed out, or tried to: ${pending}`);
    }
    await home.signedOut();
  },
};

async function type({ home, screen }: Place, edits: readonly Edit[], together: boolean): Promise<void> {
  if (edits.length === 0) return;
  const typed = edits.map(({ table, id, operation, values }) => typedOf(table, id, operation, values));
  if (together) await home.ledger.type(typed, () => screen.write(edits, true));
  // One that fails leaves the others stored.
  else
    await Promise.all(
      typed.map((each, n) => home.ledger.type([each], () => screen.write(edits.slice(n, n + 1), false))),
    );
}

function typedAgain({ table, id, operation, patch }: Refused): Typed {
  return typedOf(table as TableName, id, operation, patch);
}

function typedOf(table: TableName, id: string, operation: Typed['operation'], values: Row): Typed {
  const above = canonicalId(parentOf(table, values)?.id ?? '') || null;
  const { title } = values;
  return { table, id: canonicalId(id), operation, title: typeof title === 'string' ? title : null, above };
}

/** The columns that any row takes from a device, the title always among them. */
function freeValues(world: World): Row {
  const { amount, ...values } = world.values();
  return { ...values, amount: amount === null ? null : JSON.stringify(amount) };
}

/** Undefined where the device has no parent to offer. */
async function newRow(
  { world, screen }: Place,
  table: TableName,
  choice: number,
  parentId?: string,
): Promise<Edit | undefined> {
  const { parent, team } = tableOf(table);
  const above = parent && (parentId ?? (await pick(screen, parent.table as TableName, choice)));
  if (parent && above === undefined) return undefined;
  const values = {
    ...freeValues(world),
    ...(team && { team: world.team(choice) }),
    ...(parent && { [parent.fk]: above }),
  };
  const id = world.newId(table);
  // Some apps write UUIDs in capitals, which mean the same; those of a text do not.
  const isWrittenLarge = choice % 5 === 0 && keyType(tableOf(table)) === 'uuid';
  return { table, operation: 'create', id: isWrittenLarge ? id.toUpperCase() : id, values };
}

async function update({ world, screen }: Place, table: TableName, choice: number): Promise<Edit | undefined> {
  const id = await pick(screen, table, choice);
  return id === undefined ? undefined : { table, operation: 'update', id, values: freeValues(world) };
}

async function pick(screen: Screen, table: TableName, choice: number): Promise<string | undefined> {
  const rows = await screen.rows(table);
  const id = rows[choice % rows.length]?.['id'];
  return typeof id === 'string' ? id : undefined;
}

/** The process has died, the device is offline, or somebody else was faster. */
function unlessGone(error: unknown): void {
  if (error instanceof DOMException && error.name === 'QuotaExceededError') return;
  if (!(error instanceof SyncError && GONE.has(error.code))) throw error;
}

const GONE: ReadonlySet<string> = new Set([
  'closed',
  'not_caught_up',
  'edits_pending',
  'edits_rejected',
  'nothing_rejected',
]);
