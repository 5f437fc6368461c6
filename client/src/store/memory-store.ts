import { put } from '../records/put.js';
import { keyOf, type Entry, type Meta, type Refused, type Row } from '../records/record.js';
import { SyncError } from '../sync-error.js';
import type { Schema } from '../wire/messages.js';
import type { OpenStore, Reads, State, Store, StoredRow, Writes } from './store.js';

/** A store that lasts as long as it is referred to; for tests and servers. Each user's data is kept apart. */
export function memoryStore(): Store {
  const users = new Map<string, MemoryData>();
  return {
    open: async (user) => {
      const data = users.get(user) ?? new MemoryData();
      users.set(user, data);
      return openMemory(data, () => users.delete(user));
    },
  };
}

class MemoryData {
  isGone = false;
  meta: Meta | null = null;
  schema: Schema | null = null;
  readonly rows = new Map<string, Map<string, StoredRow>>();
  readonly entries = new Map<string, Entry>();
  readonly refused = new Map<string, Refused>();

  read({ rows = [], entries = [], refused, schema }: Reads): State {
    const read = rows.flatMap((key): [string, StoredRow][] => {
      const stored = this.rows.get(key.table)?.get(key.id);
      return stored ? [[keyOf(key), stored]] : [];
    });
    const found = (entries === 'all' ? [...this.entries.keys()] : entries.map(keyOf)).flatMap(
      (key): [string, Entry][] => {
        const entry = this.entries.get(key);
        return entry ? [[key, entry]] : [];
      },
    );
    return {
      meta: this.meta,
      rows: new Map(read),
      entries: new Map(found),
      refused: new Map(refused ? this.refused : []),
      schema: schema ? this.schema : null,
    };
  }

  write({ meta, schema, rows = [], entries = [], refused = [], sweep }: Writes): void {
    this.meta = meta ?? this.meta;
    this.schema = schema ?? this.schema;
    for (const { table, id, row, stamp } of rows) {
      const stored = this.rows.get(table) ?? new Map<string, StoredRow>();
      this.rows.set(table, stored);
      put(stored, id, row && { row, stamp });
    }
    for (const { entry, ...key } of entries) {
      put(this.entries, keyOf(key), entry);
    }
    for (const { key, refused: item } of refused) {
      put(this.refused, key, item);
    }
    if (sweep !== undefined) this.sweep(sweep);
  }

  private sweep(stamp: number): void {
    for (const [table, rows] of this.rows) {
      for (const [id, stored] of rows) {
        if (stored.stamp !== stamp && !this.entries.has(keyOf({ table, id }))) rows.delete(id);
      }
    }
  }
}

function openMemory(data: MemoryData, forget: () => void): OpenStore {
  return {
    storage: 'memory',
    tabs: null,
    transact: async (reads, decide) => {
      if (data.isGone) throw new SyncError('closed', 'the user has signed out');
      const { writes, result } = decide(data.read(reads));
      if (writes) data.write(writes);
      return result;
    },
    readTable: async (table) => {
      const rows = data.rows.get(table) ?? new Map<string, StoredRow>();
      return new Map([...rows].map(([id, { row }]): [string, Row] => [id, row]));
    },
    close: async () => {},
    destroy: async (check) => {
      check?.(data.read({ refused: true }));
      data.isGone = true;
      forget();
    },
  };
}
