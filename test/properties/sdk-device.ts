import { randomUUID } from 'node:crypto';
import initSqlJs, { type Database, type SqlJsStatic } from 'sql.js';
import { send, type SchemaResponse, type SchemaTable } from '../support/wire.js';
import { kotlinDouble, kotlinText, swiftText } from './sdk-texts.js';
import { isSwiftDate, parseAsSdk, type SdkJson } from './strict-json.js';

export type Sdk = 'Kotlin' | 'Swift';

/** A parsed record, and its `data` as the server wrote it. */
export interface SdkRecord {
  readonly id: string;
  readonly data: Readonly<Record<string, SdkJson>>;
  readonly text: string;
}

/** A verdict on one change, as far as the tests look at it. */
export interface Verdict {
  readonly id: string;
  readonly status: string;
  readonly reason_code?: string;
  readonly server_updated_at?: string;
}

export interface PushAnswer {
  readonly accepted: readonly Verdict[];
  readonly rejected: readonly Verdict[];
  /** The records within the verdicts. */
  readonly records: readonly SdkRecord[];
}

/** What the types of sql.js leave out. */
interface ExactStatement {
  get(params: null, config: { readonly useBigInt: boolean }): readonly unknown[];
}

type Members = Readonly<Record<string, SdkJson>>;

/**
 * An SDK with its SQLite database: stores what it pulls, and sends whole rows back by storage class
 * (docs/protocol.md#logical-types, docs/protocol.md#values). Every answer goes through {@link parseAsSdk}.
 */
export class SdkDevice {
  private readonly clientId = randomUUID();
  private checkpoint: SdkJson = 0n;
  private manifest: SchemaResponse | undefined;

  private constructor(
    private readonly url: string,
    private readonly user: string,
    private readonly sdk: Sdk,
    private readonly table: string,
    private readonly db: Database,
  ) {}

  /** Schema, SQLite table, register, and the snapshot that the server wants. */
  static async start(url: string, user: string, sdk: Sdk, table: string): Promise<SdkDevice> {
    const sqlite: SqlJsStatic = await initSqlJs();
    const device = new SdkDevice(url, user, sdk, table, new sqlite.Database());
    await device.readSchema();
    await device.request('register', { client_name: null, platform: 'test', app_version: '1.0.0' });
    await device.snapshot();
    return device;
  }

  close(): void {
    this.db.close();
  }

  /** Takes all pages of a snapshot. */
  async snapshot(): Promise<readonly SdkRecord[]> {
    const records: SdkRecord[] = [];
    let cursor: SdkJson = null;
    for (;;) {
      const page: Members = await this.request('snapshot', { cursor, limit: 100 });
      records.push(...this.store(page['records']));
      this.checkpoint = page['checkpoint'] ?? 0n;
      if (page['has_more'] !== true) return records;
      cursor = page['cursor'] ?? null;
    }
  }

  /** Takes all pages of a pull. */
  async pull(): Promise<readonly SdkRecord[]> {
    const records: SdkRecord[] = [];
    for (;;) {
      const body = { checkpoint: this.checkpoint, tables: null, limit: 100, known_buckets: null };
      const page: Members = await this.request('pull', body);
      if (page['snapshot_required'] === true) return this.snapshot();
      records.push(...this.store(page['changes']));
      this.remove(page['deletes']);
      this.checkpoint = page['checkpoint'] ?? 0n;
      if (page['has_more'] !== true) return records;
    }
  }

  /** An app's edit of one column. */
  edit(id: string, column: string, value: string): void {
    this.db.run(`UPDATE ${quote(this.table)} SET ${quote(column)} = ? WHERE ${this.key} = ?`, [value, id]);
  }

  /** An app's new row. @param values what it has beside its key and its update time */
  insert(id: string, values: Readonly<Record<string, string>>): void {
    const names = Object.keys(values).map((name) => `, ${quote(name)}`);
    const sql = `INSERT OR REPLACE INTO ${quote(this.table)} (${this.key}, updated_at${names.join('')}) VALUES (?, ?${', ?'.repeat(names.length)})`;
    this.db.run(sql, [id, new Date().toISOString(), ...Object.values(values)]);
  }

  /** The delete that the SDK sends; the row stays, marked. */
  delete(id: string): string {
    const base = this.base(this.row(id).get('updated_at'));
    this.db.run(`UPDATE ${quote(this.table)} SET deleted_at = ? WHERE ${this.key} = ?`, [
      new Date().toISOString(),
      id,
    ]);
    return (
      `{"id":${JSON.stringify(id)},"table_name":${JSON.stringify(this.table)},"operation":"delete","data":null,` +
      `"client_updated_at":"${new Date().toISOString()}","base_updated_at":${JSON.stringify(base)}}`
    );
  }

  /** The rows that an app shows: a column of each, by key. */
  shown(column: string): ReadonlyMap<string, unknown> {
    const [found] = this.db.exec(
      `SELECT CAST(${this.key} AS TEXT), ${quote(column)} FROM ${quote(this.table)} WHERE deleted_at IS NULL`,
    );
    return new Map(found?.values.map(([key, value]) => [String(key), value]));
  }

  /**
   * The update that the SDK sends for a row: all of it, by storage class.
   *
   * @param only one column, long ago: for tests that look for it
   */
  update(id: string, operation: 'create' | 'update' = 'update', only?: string): string {
    const row = this.row(id);
    const base = operation === 'create' ? null : row.get('updated_at');
    const sent = [...row].filter(([name]) => only === undefined || name === only);
    const members = sent.map(([name, value]) => `${JSON.stringify(name)}:${this.encoded(name, value)}`);
    const at = only === undefined ? new Date().toISOString() : '2000-01-01T00:00:00Z';
    return (
      `{"id":${JSON.stringify(id)},"table_name":${JSON.stringify(this.table)},"operation":"${operation}",` +
      `"data":{${members.join(',')}},"client_updated_at":"${at}","base_updated_at":${JSON.stringify(this.base(base))}}`
    );
  }

  /** @param changes JSON texts */
  async push(changes: readonly string[]): Promise<PushAnswer> {
    const ids = this.schemaIds();
    const body = `{"client_id":"${this.clientId}","changes":[${changes.join(',')}],"schema_version":${ids.schema_version},"schema_hash":"${ids.schema_hash}"}`;
    const { value, data } = await this.send('push', body);
    const { accepted, rejected } = value as unknown as PushAnswer;
    const versions = [...accepted, ...rejected].flatMap((verdict) => {
      const version = (verdict as unknown as Members)['server_version'];
      return version === undefined ? [] : [version];
    });
    return { accepted, rejected, records: toRecords(versions, data) };
  }

  private row(id: string): ReadonlyMap<string, unknown> {
    const statement = this.db.prepare(`SELECT * FROM ${quote(this.table)} WHERE ${this.key} = ?`, [id]);
    try {
      if (!statement.step()) throw new Error(`the device has no row ${id}`);
      const values: readonly unknown[] = (statement as ExactStatement).get(null, { useBigInt: true });
      const reals = statement.getColumnNames().map((name) => this.column(name)?.logical_type === 'float');
      // sql.js tells REAL from INTEGER by the JavaScript type; REAL 5.0 must not go as 5.
      return new Map(
        statement
          .getColumnNames()
          .map((name, index) => [name, reals[index] ? real(values[index]) : values[index]]),
      );
    } finally {
      statement.free();
    }
  }

  private store(value: SdkJson | undefined): readonly SdkRecord[] {
    const page = value as readonly SdkJson[] & { readonly texts?: readonly string[] };
    const records = toRecords(page, this.lastData);
    const columns = this.schemaTable().columns;
    const sql = `INSERT OR REPLACE INTO ${quote(this.table)} VALUES (${columns.map(() => '?').join(',')})`;
    const statement = this.db.prepare(sql);
    for (const [index, record] of records.entries()) {
      const { table_name: table } = page[index] as Members;
      if (table !== this.table) continue;
      statement.run(columns.map(({ name }) => this.stored(record.data[name] ?? null)) as never);
    }
    statement.free();
    return records.filter((_, index) => (page[index] as Members)['table_name'] === this.table);
  }

  /** Marks rows that are gone. */
  private remove(deletes: SdkJson | undefined): void {
    for (const { table_name: table, id } of (deletes ?? []) as readonly Members[]) {
      if (table !== this.table || typeof id !== 'string') continue;
      this.db.run(
        `UPDATE ${quote(this.table)} SET deleted_at = ? WHERE ${this.key} = ? AND deleted_at IS NULL`,
        [new Date().toISOString(), id],
      );
    }
  }

  /** string → TEXT, boolean → 1 or 0, integer → INTEGER, double → REAL, anything else → JSON text. */
  private stored(value: SdkJson): unknown {
    if (typeof value === 'boolean') return value ? 1 : 0;
    if (typeof value !== 'object' || value === null) return value;
    return this.sdk === 'Kotlin' ? kotlinText(value) : swiftText(value);
  }

  /** INTEGER → integer or boolean, REAL → double, TEXT → string, BLOB → base64. */
  private encoded(name: string, value: unknown): string {
    if (typeof value === 'bigint') {
      return this.column(name)?.logical_type === 'boolean' ? String(value !== 0n) : String(value);
    }
    if (value instanceof Real)
      return this.sdk === 'Kotlin' ? kotlinDouble(value.double) : String(value.double);
    if (value instanceof Uint8Array) return JSON.stringify(Buffer.from(value).toString('base64'));
    return JSON.stringify(value);
  }

  /** Kotlin sends the text that it has; Swift reads it, and writes milliseconds. */
  private base(text: unknown): string | null {
    if (typeof text !== 'string') return null;
    return this.sdk === 'Kotlin' ? text : new Date(text).toISOString();
  }

  private async readSchema(): Promise<void> {
    const { json } = await this.http('schema');
    this.manifest = json as unknown as SchemaResponse;
    const columns = this.schemaTable().columns.map(
      ({ name, logical_type: type, is_primary_key: isKey, nullable }) =>
        `${quote(name)} ${SQLITE_TYPES[type] ?? 'TEXT'}${isKey ? ' PRIMARY KEY' : ''}${nullable ? '' : ' NOT NULL'}`,
    );
    this.db.run(`CREATE TABLE ${quote(this.table)} (${columns.join(', ')})`);
  }

  /** The column by which the server knows a row. */
  private get key(): string {
    return quote(this.schemaTable().primary_key[0] ?? 'id');
  }

  private column(name: string): SchemaTable['columns'][number] | undefined {
    return this.schemaTable().columns.find((column) => column.name === name);
  }

  private schemaTable(): SchemaTable {
    const table = this.manifest?.tables.find(({ table_name: name }) => name === this.table);
    if (!table) throw new Error(`the schema has no table ${this.table}`);
    return table;
  }

  private schemaIds(): { readonly schema_version: number; readonly schema_hash: string } {
    const { schema_version = 0, schema_hash = '' } = this.manifest ?? {};
    return { schema_version, schema_hash };
  }

  private lastData: readonly string[] = [];

  private async request(path: string, body: Readonly<Record<string, unknown>>): Promise<Members> {
    const whole = { client_id: this.clientId, ...this.schemaIds(), ...body };
    const text = JSON.stringify(whole, (_, value: unknown) =>
      typeof value === 'bigint' ? Number(value) : value,
    );
    const { value, data } = await this.send(path, text);
    this.lastData = data;
    return value as Members;
  }

  private async send(path: string, body: string): Promise<ReturnType<typeof parseAsSdk>> {
    const { text } = await this.http(path, body);
    const answer = parseAsSdk(text);
    for (const date of envelopeDates(answer.value)) {
      if (!isSwiftDate(date)) throw new Error(`Swift can't read the time ${date}`);
    }
    return answer;
  }

  private async http(path: string, body?: string): ReturnType<typeof send> {
    const answer = await send(`${this.url}/sync/${path}`, {
      ...(body !== undefined && { body }),
      headers: { 'X-User-ID': this.user, 'X-App-Version': '1.0.0' },
    });
    if (answer.status !== 200)
      throw new Error(`/sync/${path} answered ${answer.status}: ${answer.text.slice(0, 500)}`);
    return answer;
  }
}

const SQLITE_TYPES: Readonly<Record<string, string>> = {
  int: 'INTEGER',
  int64: 'INTEGER',
  boolean: 'INTEGER',
  float: 'REAL',
  bytes: 'BLOB',
};

/** A value of the storage class REAL. */
class Real {
  constructor(readonly double: number) {}
}

function real(value: unknown): unknown {
  return typeof value === 'bigint' || typeof value === 'number' ? new Real(Number(value)) : value;
}

function toRecords(values: readonly SdkJson[], data: readonly string[]): readonly SdkRecord[] {
  return values.map((value, index) => {
    const record = value as Members;
    const id = typeof record['id'] === 'string' ? record['id'] : '';
    return { id, data: record['data'] as Members, text: data[index] ?? '' };
  });
}

/** The times of an answer, those within `data` left out: the SDKs keep these as text. */
function envelopeDates(value: SdkJson): readonly string[] {
  if (Array.isArray(value)) return value.flatMap(envelopeDates);
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([name, member]) => {
    if (name === 'data') return [];
    if (typeof member === 'string') return /_(?:at|time)$/.test(name) ? [member] : [];
    return envelopeDates(member);
  });
}

function quote(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
