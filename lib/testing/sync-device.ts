import { randomUUID } from 'node:crypto';
import type {
  DeviceRow,
  DeviceVerdict,
  PullPage,
  PushAnswer,
  SchemaIds,
  SnapshotPage,
  WireRecord,
} from './device-wire.js';
import { LiveChannel } from './live-channel.js';
import { SyncDeviceError } from './sync-device-error.js';

/** One request to a sync route, e.g. over an `app.inject` or a supertest agent of the test's. */
export type SendRequest = (request: {
  readonly method: 'GET' | 'POST';
  /** Below the sync path: `register`, `pull`, `push`, `snapshot` or `schema`. */
  readonly route: string;
  readonly headers: Readonly<Record<string, string>>;
  /** JSON text; undefined for GET. */
  readonly body: string | undefined;
}) => Promise<{ readonly status: number; readonly text: string }>;

export interface SyncDeviceOptions {
  /** Where the sync routes are, e.g. `http://127.0.0.1:3000/sync`; or what sends a request there. */
  readonly target: string | SendRequest;
  /** Headers for your guard, e.g. `{ authorization: 'Bearer …' }`. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Default: a new one. */
  readonly clientId?: string;
  /** Default: `1.0.0`. */
  readonly appVersion?: string;
  /** Rows of a page. Default: 100, as in the SDKs. */
  readonly pageSize?: number;
}

export interface DeviceChange {
  readonly table: string;
  readonly id: string;
  readonly operation: 'create' | 'update' | 'delete';
  readonly data?: DeviceRow;
  /** When the user made it. Default: now. */
  readonly at?: Date;
  /** The `updated_at` that it started from. Default: that of the device's row. */
  readonly base?: string | null;
}

/**
 * A device for tests of a host's rules: what a user gets to see, and what they may write. It keeps its rows in memory
 * and goes through the HTTP routes, guards included. Values are as `JSON.parse` makes them, so integers beyond 2⁵³ are
 * rounded. It has no queue of offline edits: a push is sent when it is made.
 */
export class SyncDevice {
  readonly clientId: string;
  private readonly send: SendRequest;
  private readonly tables = new Map<string, Map<string, DeviceRow>>();
  private readonly versions = new Map<string, string>();
  private checkpoint = 0;
  /** Of the last push. */
  private commit: string | null = null;
  private schema: SchemaIds | undefined;

  constructor(private readonly options: SyncDeviceOptions) {
    const { target } = options;
    this.clientId = options.clientId ?? randomUUID();
    this.send = typeof target === 'string' ? fetching(target) : target;
  }

  /** The rows of a table that the user sees, by id, as of the last pull. */
  rows(table: string): ReadonlyMap<string, DeviceRow> {
    return this.tables.get(table) ?? new Map<string, DeviceRow>();
  }

  /** Registers and takes a snapshot, as an app does when it starts for the first time. */
  async start(): Promise<void> {
    await this.register();
    await this.snapshot();
  }

  async register(): Promise<void> {
    this.schema = await this.request<SchemaIds>('GET', 'schema');
    const { appVersion = '1.0.0' } = this.options;
    await this.post('register', { client_name: null, platform: 'test', app_version: appVersion });
  }

  /** Replaces all rows with what the server has for the user. */
  async snapshot(): Promise<void> {
    this.tables.clear();
    this.versions.clear();
    let cursor: unknown = null;
    for (let more = true; more;) {
      const page: SnapshotPage = await this.post('snapshot', { cursor, limit: this.pageSize });
      for (const record of page.records) this.keep(record);
      this.checkpoint = page.checkpoint;
      cursor = page.cursor;
      more = page.has_more;
    }
  }

  /**
   * Takes the changes since the last pull, and waits up to five seconds for those that the device itself has pushed; a
   * snapshot, where the server requires one.
   * @returns the reason for a snapshot, or null
   */
  async pull(): Promise<string | null> {
    const after = this.commit;
    this.commit = null;
    for (let more = true; more;) {
      const position = { checkpoint: this.checkpoint, limit: this.pageSize };
      const page: PullPage = await this.post('pull', { ...position, after, wait_ms: 5_000 });
      if (page.snapshot_required === true) {
        await this.snapshot();
        return page.snapshot_reason ?? '';
      }
      for (const record of page.changes) this.keep(record);
      for (const { table_name: table, id } of page.deletes) this.drop(table, id);
      this.checkpoint = page.checkpoint;
      more = page.has_more;
    }
    return null;
  }

  /** Pushes changes in one request. @returns a verdict for each, in their order; pull to see what they led to */
  async push(changes: readonly DeviceChange[]): Promise<readonly DeviceVerdict[]> {
    const { accepted, rejected, commit } = await this.post<PushAnswer>('push', {
      changes: changes.map(({ table, id, operation, data, at = new Date(), base }) => ({
        id,
        table_name: table,
        operation,
        data: data ?? null,
        client_updated_at: at.toISOString(),
        base_updated_at: base === undefined ? (this.versions.get(key(table, id)) ?? null) : base,
      })),
    });
    this.commit = commit ?? this.commit;
    // Each of the two lists is in order; the same record may come twice.
    const verdicts = [...accepted, ...rejected];
    return changes.map(({ table, id, operation }) => {
      const index = verdicts.findIndex(
        (verdict) => verdict.table_name === table && verdict.id === id && verdict.operation === operation,
      );
      const [verdict] = index < 0 ? [] : verdicts.splice(index, 1);
      if (!verdict) throw new SyncDeviceError('push', 200, `no verdict on ${operation} of ${table}/${id}`);
      return verdict;
    });
  }

  /** Pushes one new row. */
  create(table: string, data: DeviceRow, id: string = randomUUID()): Promise<DeviceVerdict> {
    return this.pushOne({ table, id, operation: 'create', data });
  }

  /** Pushes one changed row, with the columns that changed. */
  update(table: string, id: string, data: DeviceRow): Promise<DeviceVerdict> {
    return this.pushOne({ table, id, operation: 'update', data });
  }

  /** Pushes one deleted row. */
  delete(table: string, id: string): Promise<DeviceVerdict> {
    return this.pushOne({ table, id, operation: 'delete' });
  }

  /**
   * Connects by the live stream, to be told of what comes after the last pull. `target` must be a URL. Close it before
   * the test ends.
   */
  live(): Promise<LiveChannel> {
    const { target } = this.options;
    if (typeof target !== 'string') throw new Error('a live stream needs a URL as the device’s target');
    const query = { client_id: this.clientId, since: String(this.checkpoint) };
    return LiveChannel.open(target.replace(/\/+$/, ''), query, this.headers);
  }

  private async pushOne(change: DeviceChange): Promise<DeviceVerdict> {
    const [verdict] = await this.push([change]);
    if (!verdict) throw new SyncDeviceError('push', 200, 'no verdict');
    return verdict;
  }

  private keep({
    table_name: table,
    id,
    data,
    updated_at: version,
    deleted_at: deletedAt,
  }: WireRecord): void {
    if (typeof deletedAt === 'string') {
      this.drop(table, id);
      return;
    }
    const rows = this.tables.get(table) ?? new Map<string, DeviceRow>();
    this.tables.set(table, rows.set(id, data));
    this.versions.set(key(table, id), version);
  }

  private drop(table: string, id: string): void {
    this.tables.get(table)?.delete(id);
    this.versions.delete(key(table, id));
  }

  private async post<Answer>(route: string, body: object): Promise<Answer> {
    if (!this.schema) throw new Error('call start() or register() first');
    const { schema_version, schema_hash } = this.schema;
    return this.request('POST', route, { client_id: this.clientId, ...body, schema_version, schema_hash });
  }

  private async request<Answer>(method: 'GET' | 'POST', route: string, body?: object): Promise<Answer> {
    const { status, text } = await this.send({
      method,
      route,
      headers: { 'content-type': 'application/json', ...this.headers },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    if (status !== 200) throw new SyncDeviceError(route, status, text);
    return JSON.parse(text) as Answer;
  }

  private get headers(): Readonly<Record<string, string>> {
    const { appVersion = '1.0.0', headers } = this.options;
    return { 'x-app-version': appVersion, ...headers };
  }

  private get pageSize(): number {
    return this.options.pageSize ?? 100;
  }
}

function key(table: string, id: string): string {
  return `${table}/${id}`;
}

function fetching(url: string): SendRequest {
  const base = url.replace(/\/+$/, '');
  return async ({ method, route, headers, body }) => {
    const response = await fetch(`${base}/${route}`, {
      method,
      headers,
      ...(body !== undefined && { body }),
    });
    return { status: response.status, text: await response.text() };
  };
}
