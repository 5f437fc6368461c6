import { instant } from './instant.js';
import {
  toJson,
  type Json,
  type PushChange,
  type PushResult,
  type Row,
  type SchemaTable,
  type WireRecord,
} from './wire.js';

interface Pending {
  readonly table: string;
  readonly id: string;
  readonly operation: 'create' | 'update' | 'delete';
  readonly baseUpdatedAt: string | null;
  readonly clientUpdatedAt: string;
}

/** What the SDKs keep in SQLite: the rows, the queue of edits that were not pushed yet, and the rules for both. */
export class LocalStore {
  private tables = new Map<string, SchemaTable>();
  private readonly data = new Map<string, Map<string, Row>>();
  private readonly queue = new Map<string, Pending>();

  useSchema(tables: readonly SchemaTable[]): void {
    this.tables = new Map(tables.map((table) => [table.table_name, table]));
    for (const name of this.tables.keys()) if (!this.data.has(name)) this.data.set(name, new Map());
  }

  /** Rows of a table by id, soft-deleted ones included. */
  all(table: string): Map<string, Row> {
    const rows = this.data.get(table);
    if (!rows)
      throw new Error(`The device has no table ${table}: its schema was not read, or does not name it.`);
    return rows;
  }

  /** Rows of a table by id that an app shows. */
  live(table: string): Map<string, Row> {
    const { deleted_at_column: deletedAt } = this.table(table);
    return new Map([...this.all(table)].filter(([, row]) => (row[deletedAt] ?? null) === null));
  }

  /** As before a rebuild: rows and queue are dropped. */
  clear(): void {
    for (const rows of this.data.values()) rows.clear();
    this.queue.clear();
  }

  /** Snapshot page: INSERT OR REPLACE. */
  replace(record: WireRecord): void {
    const { columns, primary_key: key } = this.table(record.table_name);
    const row: Row = {};
    for (const { name } of columns) row[name] = record.data[name] ?? (key.includes(name) ? record.id : null);
    this.all(record.table_name).set(record.id, row);
  }

  /** A pulled change, unless the device already has that version or a later one. */
  applyChange(record: WireRecord): void {
    const local = this.all(record.table_name).get(record.id);
    const have = instant(local?.[this.table(record.table_name).updated_at_column]);
    const got = instant(record.updated_at);
    if (have !== undefined && got !== undefined && have >= got) return;
    this.replace(record);
  }

  /** A pulled delete: the row stays, marked. */
  applyDelete(table: string, id: string): void {
    const row = this.all(table).get(id);
    const { deleted_at_column: deletedAt } = this.table(table);
    if (row && (row[deletedAt] ?? null) === null) row[deletedAt] = new Date().toISOString();
  }

  applyAccepted(result: PushResult): void {
    this.queue.delete(keyOf(result.table_name, result.id));
    const row = this.data.get(result.table_name)?.get(result.id);
    if (!row) return;
    const table = this.table(result.table_name);
    if (result.server_updated_at !== undefined) row[table.updated_at_column] = result.server_updated_at;
    if (result.server_deleted_at !== undefined) row[table.deleted_at_column] = result.server_deleted_at;
  }

  applyRejected(result: PushResult): void {
    if (result.status === 'rejected_retryable') return;
    this.queue.delete(keyOf(result.table_name, result.id));
    if (result.server_version) this.replace(result.server_version);
  }

  /** An app's INSERT; columns that are not given get SQLite's default. */
  create(table: string, id: string, values: Row): void {
    const { columns, primary_key: key } = this.table(table);
    const row: Row = {};
    for (const column of columns)
      row[column.name] = values[column.name] ?? sqliteDefault(column.sqlite_default_sql);
    for (const name of key) row[name] = id;
    this.all(table).set(id, row);
    const before = this.queue.get(keyOf(table, id));
    const operation = before?.operation === 'delete' ? 'update' : (before?.operation ?? 'create');
    this.enqueue({ table, id, operation, baseUpdatedAt: before?.baseUpdatedAt ?? null });
  }

  /** An app's UPDATE. */
  update(table: string, id: string, values: Row): void {
    const row = this.existing(table, id);
    const before = this.queue.get(keyOf(table, id));
    const baseUpdatedAt = before ? before.baseUpdatedAt : this.version(table, row);
    Object.assign(row, values);
    this.enqueue({
      table,
      id,
      operation: before?.operation === 'create' ? 'create' : 'update',
      baseUpdatedAt,
    });
  }

  /** An app's DELETE, which the SDKs' triggers turn into a soft one. */
  delete(table: string, id: string): void {
    const row = this.existing(table, id);
    const before = this.queue.get(keyOf(table, id));
    const baseUpdatedAt = before ? before.baseUpdatedAt : this.version(table, row);
    row[this.table(table).deleted_at_column] = new Date().toISOString();
    // The SDKs drop these from the queue: the server is taken not to know the row.
    if (before?.operation === 'create' || baseUpdatedAt === null) this.queue.delete(keyOf(table, id));
    else this.enqueue({ table, id, operation: 'delete', baseUpdatedAt });
  }

  /** The next edits to push, oldest first, with the whole row as the SDKs send it. */
  pending(limit: number): readonly PushChange[] {
    const oldestFirst = [...this.queue.values()].toSorted((a, b) =>
      a.clientUpdatedAt < b.clientUpdatedAt ? -1 : 1,
    );
    return oldestFirst.slice(0, limit).map(({ table, id, operation, baseUpdatedAt, clientUpdatedAt }) => ({
      id,
      table_name: table,
      operation,
      data: operation === 'delete' ? null : this.encoded(table, this.existing(table, id)),
      client_updated_at: clientUpdatedAt,
      base_updated_at: baseUpdatedAt,
    }));
  }

  get pendingCount(): number {
    return this.queue.size;
  }

  private enqueue(pending: Omit<Pending, 'clientUpdatedAt'>): void {
    const entry = { ...pending, clientUpdatedAt: new Date().toISOString() };
    this.queue.set(keyOf(pending.table, pending.id), entry);
  }

  /** JSON and arrays live in TEXT columns and are pushed as text. */
  private encoded(table: string, row: Row): Row {
    const isJson = new Set(
      this.table(table)
        .columns.filter((c) => c.logical_type === 'json')
        .map((c) => c.name),
    );
    const encode = (name: string, value: Json): Json =>
      isJson.has(name) && value !== null && typeof value === 'object' ? toJson(value) : value;
    return Object.fromEntries(Object.entries(row).map(([name, value]) => [name, encode(name, value)]));
  }

  private version(table: string, row: Row): string | null {
    const value = row[this.table(table).updated_at_column];
    return typeof value === 'string' ? value : null;
  }

  private existing(table: string, id: string): Row {
    const row = this.all(table).get(id);
    if (!row) throw new Error(`The device has no ${table} ${id}.`);
    return row;
  }

  private table(name: string): SchemaTable {
    const table = this.tables.get(name);
    if (!table) throw new Error(`The device's schema has no table ${name}.`);
    return table;
  }
}

function keyOf(table: string, id: string): string {
  return `${table} ${id}`;
}

function sqliteDefault(sql: string | undefined): Json {
  if (sql === undefined || sql === 'NULL') return null;
  if (sql === 'CURRENT_TIMESTAMP') return new Date().toISOString().slice(0, 19).replace('T', ' ');
  if (/^'.*'$/s.test(sql)) return sql.slice(1, -1).replaceAll("''", "'");
  return Number.isFinite(Number(sql)) ? Number(sql) : null;
}
