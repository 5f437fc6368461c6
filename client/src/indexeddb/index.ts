import { openDB, unwrap, type DBSchema, type IDBPDatabase, type IDBPTransaction } from 'idb';
import { keyOf, type Entry, type Meta, type Refused, type Row } from '../records/record.js';
import { memoryStore } from '../store/memory-store.js';
import type { LastState, OpenStore, Reads, State, Store, StoredRow, Writes } from '../store/store.js';
import { SyncError } from '../sync-error.js';
import type { Schema } from '../wire/messages.js';
import { BrowserTabs } from './browser-tabs.js';

interface Database extends DBSchema {
  rows: { key: [table: string, id: string]; value: StoredRow & { readonly id: string } };
  entries: { key: string; value: Entry };
  refused: { key: string; value: Refused };
  meta: { key: 'meta' | 'schema' | 'signedOut'; value: Meta | Schema | true };
}

const STORES = ['rows', 'entries', 'refused', 'meta'] as const;
type Transaction = IDBPTransaction<Database, typeof STORES, 'readwrite'>;

/**
 * The browser's store: a database `<name>:<user>` for each user, shared by all tabs. Where the browser has none to give
 * (some private modes), the data is kept in memory, and `status.storage` says so.
 */
export function indexedDbStore(name: string): Store {
  const fallback = memoryStore();
  return {
    open: async (user) => {
      try {
        return await IndexedDbStore.open(`${name}:${user}`);
      } catch (error) {
        console.warn(`IndexedDB can't be used: the data is in memory only (${String(error)})`);
        return fallback.open(user);
      }
    },
  };
}

class IndexedDbStore implements OpenStore {
  readonly storage = 'durable';
  readonly tabs: BrowserTabs;
  private isClosed = false;

  private constructor(
    private readonly name: string,
    private database: Promise<IDBPDatabase<Database>>,
  ) {
    this.tabs = new BrowserTabs(name);
  }

  static async open(name: string): Promise<IndexedDbStore> {
    const database = await openDatabase(name);
    // This user has come back.
    await database.delete('meta', 'signedOut');
    // Without it, a browser that is short of space may remove everything.
    void navigator.storage?.persist?.().catch(() => false);
    return new IndexedDbStore(name, Promise.resolve(database));
  }

  transact<Result>(reads: Reads, decide: Parameters<OpenStore['transact']>[1]): Promise<Result> {
    return this.connected((database) => this.attempt<Result>(database, reads, decide));
  }

  private async attempt<Result>(
    database: IDBPDatabase<Database>,
    reads: Reads,
    decide: Parameters<OpenStore['transact']>[1],
  ): Promise<Result> {
    if (this.isClosed) throw new SyncError('closed', 'the store is closed');
    const tx = database.transaction(STORES, 'readwrite', DURABLE);
    const done = tx.done.then(
      () => null,
      (error: unknown) => ({ error }),
    );
    let result: unknown;
    try {
      const state = await read(tx, reads);
      const decision = decide(state);
      if (decision.writes) await write(tx, decision.writes);
      // By itself, it ends only after the event of each request.
      tx.commit();
      ({ result } = decision);
    } catch (error) {
      abort(tx);
      const failed = await done;
      // The transaction's own error says more than the request's: QuotaExceededError.
      throw failed?.error instanceof DOMException && failed.error.name === 'QuotaExceededError'
        ? failed.error
        : error;
    }
    const failed = await done;
    if (failed) throw failed.error;
    return result as Result;
  }

  readTable(table: string): Promise<Map<string, Row>> {
    return this.connected(async (database) => {
      const stored = await database.getAll('rows', ofTable(table));
      return new Map(stored.map(({ id, row }) => [id, row]));
    });
  }

  /** Does the work once more where the user has removed the site's data: an empty database takes its place. */
  private async connected<Result>(
    work: (database: IDBPDatabase<Database>) => Promise<Result>,
  ): Promise<Result> {
    const used = this.database;
    try {
      return await work(await used);
    } catch (error) {
      if (this.isClosed || !isDisconnected(error)) throw error;
      if (this.database === used) this.database = openDatabase(this.name);
      return work(await this.database);
    }
  }

  async close(): Promise<void> {
    this.isClosed = true;
    this.tabs.close();
    (await this.database).close();
  }

  /**
   * Empties the database, and marks it so that no other tab fills it again. It is not deleted: that waits for every tab,
   * frozen ones included, and the user may sign in again meanwhile.
   */
  async destroy(check?: (last: LastState) => void): Promise<void> {
    const tx = (await this.database).transaction(STORES, 'readwrite');
    const [meta, kept] = await Promise.all([
      tx.objectStore('meta').get('meta'),
      tx.objectStore('refused').getAll(),
    ]);
    try {
      const refused = new Map(kept.map((item) => [item.key, item]));
      check?.({ meta: (meta as Meta | undefined) ?? null, refused });
    } catch (error) {
      await tx.done;
      throw error;
    }
    await Promise.all([
      ...STORES.map((name) => tx.objectStore(name).clear()),
      tx.objectStore('meta').put(true, 'signedOut'),
      tx.done,
    ]);
    this.isClosed = true;
  }
}

/** Commits reach the disk. By default they may stay in the system's memory, which an empty battery loses (W-CLIENT-31). */
const DURABLE: IDBTransactionOptions = { durability: 'strict' };

function openDatabase(name: string): Promise<IDBPDatabase<Database>> {
  return openDB<Database>(name, 1, {
    upgrade: (database) => {
      for (const store of STORES) database.createObjectStore(store);
    },
    blocking: (_current, _next, event) => (event.target as IDBDatabase).close(),
  });
}

async function read(tx: Transaction, { rows = [], entries = [], refused, schema }: Reads): Promise<State> {
  const metas = tx.objectStore('meta');
  const [meta, signedOut, kept, storedSchema, ...storedRows] = await Promise.all([
    metas.get('meta'),
    metas.get('signedOut'),
    refused ? tx.objectStore('refused').getAll() : [],
    schema ? metas.get('schema') : undefined,
    ...rows.map((key) => tx.objectStore('rows').get([key.table, key.id])),
  ]);
  if (signedOut) throw new SyncError('closed', 'the user has signed out in another tab');
  const known = meta as Meta | undefined;
  const pending = known && known.pending > 0 ? await readEntries(tx, entries) : [];
  const found = rows.flatMap((key, index): [string, StoredRow][] => {
    const stored = storedRows[index];
    return stored ? [[keyOf(key), { row: stored.row, stamp: stored.stamp }]] : [];
  });
  return {
    meta: known ?? null,
    rows: new Map(found),
    entries: new Map(pending.map((entry) => [keyOf(entry), entry])),
    refused: new Map(kept.map((item) => [item.key, item])),
    schema: (storedSchema as Schema | undefined) ?? null,
  };
}

async function readEntries(
  tx: Transaction,
  entries: NonNullable<Reads['entries']>,
): Promise<readonly Entry[]> {
  const store = tx.objectStore('entries');
  if (entries === 'all') return store.getAll();
  const found = await Promise.all(entries.map((key) => store.get(keyOf(key))));
  return found.filter((entry) => entry !== undefined);
}

/** Waits for no request: one that fails aborts the transaction. */
async function write(tx: Transaction, writes: Writes): Promise<void> {
  const { meta, schema, rows = [], entries = [], refused = [], sweep } = writes;
  const bare = unwrap(tx);
  const put = (store: (typeof STORES)[number], key: IDBValidKey, value: unknown): void => {
    if (value) bare.objectStore(store).put(value, key);
    else bare.objectStore(store).delete(key);
  };
  for (const { table, id, row, stamp } of rows) put('rows', [table, id], row && { id, row, stamp });
  for (const { entry, ...key } of entries) put('entries', keyOf(key), entry);
  for (const { key, refused: item } of refused) put('refused', key, item);
  if (meta) put('meta', 'meta', meta);
  if (schema) put('meta', 'schema', schema);
  if (sweep !== undefined) await sweepRows(tx, sweep);
}

async function sweepRows(tx: Transaction, stamp: number): Promise<void> {
  const pending = new Set(await tx.objectStore('entries').getAllKeys());
  for (let cursor = await tx.objectStore('rows').openCursor(); cursor; cursor = await cursor.continue()) {
    const [table, id] = cursor.primaryKey;
    if (cursor.value.stamp !== stamp && !pending.has(keyOf({ table, id }))) await cursor.delete();
  }
}

/** The connection was closed under the transaction: nothing of it is stored. */
function isDisconnected(error: unknown): boolean {
  return error instanceof DOMException && (error.name === 'AbortError' || error.name === 'InvalidStateError');
}

/** Ignores a transaction that the error at hand has aborted already. */
function abort(tx: Transaction): void {
  try {
    tx.abort();
  } catch (error) {
    if (!(error instanceof DOMException && error.name === 'InvalidStateError')) throw error;
  }
}

function ofTable(table: string): IDBKeyRange {
  return IDBKeyRange.bound([table, ''], [table, []]);
}
