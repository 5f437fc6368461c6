import { tableSchema, type TableSchema } from '../records/columns.js';
import { keyOf, type Entry, type Meta, type RecordKey, type Refused, type Row } from '../records/record.js';
import type {
  LastState,
  OpenStore,
  Reads,
  RowWrite,
  State,
  Store,
  StoredRow,
  Writes,
} from '../store/store.js';
import { SyncError } from '../sync-error.js';
import type { Schema } from '../wire/messages.js';
import { columnSql, createTableSql, fromSqlite, quoted, STAMP, toSqlite } from './columns.js';
import { insertOf, selectFrom, type Insert } from './statements.js';

/** The members of a driver that are used: `better-sqlite3`, `node:sqlite`, and others with these methods. */
export interface SqliteDatabase {
  exec(sql: string): unknown;
  prepare(sql: string): {
    run(...values: never[]): unknown;
    all(...values: never[]): unknown[];
  };
  close(): unknown;
}

/**
 * A store in one SQLite database for each user. Each synced table is a real table, with what the app sees in it: read it
 * by SQL as you like, and write through `sync` only. One process uses a database at a time.
 *
 * @param open Opens the database of that name, e.g. `(name) => new Database(`data/${name}.db`)`.
 */
export function sqliteStore(open: (name: string) => SqliteDatabase | Promise<SqliteDatabase>): Store {
  return {
    open: async (user) => {
      const store = new SqliteStore(await open(`synchro-${encodeURIComponent(user)}`));
      const owner = store.owner();
      if (owner === undefined || owner === user) return store;
      await store.close();
      throw new SyncError('store_of_another_user', `the database of ${user} holds the data of ${owner}`);
    },
  };
}

interface StoredValue {
  readonly key: string;
  readonly value: string;
}

class SqliteStore implements OpenStore {
  readonly storage = 'durable';
  readonly tabs = null;
  private readonly statements = new Map<string, ReturnType<SqliteDatabase['prepare']>>();
  private tables: ReadonlyMap<string, TableSchema> = new Map();
  /** Closed, or emptied for good. */
  private isOver = false;
  /** Built once for each table: a first sync writes a hundred thousand rows. */
  private readonly inserts = new Map<string, Insert>();

  constructor(private readonly database: SqliteDatabase) {
    // Without FULL, the last transactions may be lost with the power.
    for (const pragma of ['busy_timeout = 5000', 'journal_mode = WAL', 'synchronous = FULL']) {
      database.exec(`PRAGMA ${pragma}`);
    }
    for (const table of OWN_TABLES) {
      database.exec(`CREATE TABLE IF NOT EXISTS ${table} (key TEXT PRIMARY KEY, value TEXT NOT NULL)`);
    }
    this.useSchema(this.setting('schema'));
  }

  owner(): string | undefined {
    return this.setting('meta')?.user;
  }

  async transact<Result>(reads: Reads, decide: Parameters<OpenStore['transact']>[1]): Promise<Result> {
    return this.inTransaction(() => {
      const { writes, result } = decide(this.read(reads));
      if (writes) this.write(writes);
      return result as Result;
    });
  }

  async readTable(name: string): Promise<Map<string, Row>> {
    const table = this.tables.get(name);
    if (!table) return new Map();
    const rows = this.all<Record<string, unknown>>(selectFrom(table));
    return new Map(rows.map((row) => [`${row[table.key] as string | number}`, withoutStamp(table, row)]));
  }

  async close(): Promise<void> {
    this.isOver = true;
    this.database.close();
  }

  async destroy(check?: (last: LastState) => void): Promise<void> {
    this.inTransaction(() => {
      check?.(this.read({ refused: true }));
      for (const name of [...OWN_TABLES, ...this.tables.keys()])
        this.database.exec(`DROP TABLE IF EXISTS ${quoted(name)}`);
    });
    this.isOver = true;
    // Dropped pages keep their content otherwise.
    this.database.exec('VACUUM');
  }

  private inTransaction<Result>(work: () => Result): Result {
    if (this.isOver) throw new SyncError('closed', 'the store is closed');
    this.database.exec('BEGIN IMMEDIATE');
    try {
      const result = work();
      this.database.exec('COMMIT');
      return result;
    } catch (error) {
      this.database.exec('ROLLBACK');
      // The schema may be one that was rolled back.
      this.useSchema(this.setting('schema'));
      throw error;
    }
  }

  private read({ rows = [], entries = [], refused, schema }: Reads): State {
    const meta = this.setting('meta');
    const keys = entries === 'all' ? null : entries.map(keyOf);
    return {
      meta,
      schema: schema ? this.setting('schema') : null,
      rows: new Map(rows.flatMap((key) => this.readRow(key))),
      entries:
        meta && meta.pending > 0 ? this.values<Entry>('_synchro_pending', keys) : new Map<string, Entry>(),
      refused: refused ? this.values<Refused>('_synchro_rejected', null) : new Map<string, Refused>(),
    };
  }

  private readRow(key: RecordKey): [string, StoredRow][] {
    const table = this.tables.get(key.table);
    if (!table) return [];
    const [row] = this.all<Record<string, unknown>>(
      `${selectFrom(table)} WHERE ${quoted(table.key)} = ?`,
      key.id,
    );
    if (!row) return [];
    const stamp = Number(row[STAMP]);
    return [[keyOf(key), { row: withoutStamp(table, row), stamp }]];
  }

  private write({ meta, schema, rows = [], entries = [], refused = [], sweep }: Writes): void {
    if (schema) {
      this.set('_synchro_meta', 'schema', schema);
      this.useSchema(schema);
      this.migrate();
    }
    for (const row of rows) this.writeRow(row);
    for (const { entry, ...key } of entries) this.set('_synchro_pending', keyOf(key), entry);
    for (const { key, refused: item } of refused) this.set('_synchro_rejected', key, item);
    if (meta) this.set('_synchro_meta', 'meta', meta);
    if (sweep !== undefined) this.sweep(sweep);
  }

  private writeRow({ table: name, id, row, stamp }: RowWrite): void {
    const table = this.tables.get(name);
    if (!table) return;
    if (!row) {
      this.run(`DELETE FROM ${quoted(name)} WHERE ${quoted(table.key)} = ?`, id);
      return;
    }
    const insert = this.inserts.get(name) ?? insertOf(table);
    this.inserts.set(name, insert);
    const values = insert.columns.map((column) => toSqlite(column, row[column.name]));
    values.push(stamp);
    this.run(insert.sql, ...values);
  }

  private sweep(stamp: number): void {
    for (const table of this.tables.values()) {
      const key = quoted(table.key);
      this.run(
        `DELETE FROM ${quoted(table.name)} WHERE ${STAMP} <> ? AND ? || char(0) || ${key} NOT IN (SELECT key FROM _synchro_pending)`,
        stamp,
        table.name,
      );
    }
  }

  /** Columns that are gone stay, and are empty from then on: the app may have indexes or views on them. */
  private migrate(): void {
    for (const table of this.tables.values()) {
      this.database.exec(createTableSql(table));
      const known = new Set(
        this.all<{ name: string }>('SELECT name FROM pragma_table_info(?)', table.name).map(
          ({ name }) => name,
        ),
      );
      for (const column of table.columns.values()) {
        if (known.has(column.name)) continue;
        this.database.exec(`ALTER TABLE ${quoted(table.name)} ADD COLUMN ${columnSql(column)}`);
      }
    }
    this.statements.clear();
  }

  private useSchema(schema: Schema | null): void {
    this.tables = new Map(schema?.tables.map((table) => [table.table_name, tableSchema(table)]));
    this.inserts.clear();
  }

  private setting(key: 'meta'): Meta | null;
  private setting(key: 'schema'): Schema | null;
  private setting(key: string): unknown {
    return this.values<unknown>('_synchro_meta', [key]).get(key) ?? null;
  }

  /** @param keys null: all */
  private values<Value>(table: string, keys: readonly string[] | null): Map<string, Value> {
    const found =
      keys === null
        ? this.all<StoredValue>(`SELECT key, value FROM ${table}`)
        : keys.flatMap((key) => this.all<StoredValue>(`SELECT key, value FROM ${table} WHERE key = ?`, key));
    return new Map(found.map(({ key, value }) => [key, JSON.parse(value) as Value]));
  }

  private set(table: string, key: string, value: object | null): void {
    if (value === null) this.run(`DELETE FROM ${table} WHERE key = ?`, key);
    else this.run(`INSERT OR REPLACE INTO ${table} (key, value) VALUES (?, ?)`, key, JSON.stringify(value));
  }

  private run(sql: string, ...values: readonly unknown[]): void {
    this.statement(sql).run(...(values as never[]));
  }

  private all<Result>(sql: string, ...values: readonly unknown[]): Result[] {
    return this.statement(sql).all(...(values as never[])) as Result[];
  }

  private statement(sql: string): ReturnType<SqliteDatabase['prepare']> {
    const statement = this.statements.get(sql) ?? this.database.prepare(sql);
    this.statements.set(sql, statement);
    return statement;
  }
}

const OWN_TABLES = ['_synchro_meta', '_synchro_pending', '_synchro_rejected'] as const;

function withoutStamp(table: TableSchema, stored: Record<string, unknown>): Row {
  delete stored[STAMP];
  return fromSqlite(table, stored);
}
