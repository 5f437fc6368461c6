import { randomUUID } from 'node:crypto';
import { LocalStore } from './local-store.js';
import {
  send,
  type PullResponse,
  type PushChange,
  type PushResponse,
  type RegisterResponse,
  type Row,
  type SchemaIds,
  type SchemaResponse,
  type SnapshotResponse,
  type WireAnswer,
} from './wire.js';

export interface DeviceOptions {
  /** Default: 100, as in the SDKs. */
  readonly pageSize?: number;
  /** Default: `1.0.0`. */
  readonly appVersion?: string;
  /** Sent with every request, e.g. `Authorization`. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** The server's answer was not 200. */
export class SyncHttpError extends Error {
  constructor(
    path: string,
    readonly answer: WireAnswer,
  ) {
    super(`/sync/${path} answered ${answer.status}: ${answer.text}`);
  }

  get status(): number {
    return this.answer.status;
  }
}

/** The server asked to keep some edits and push them again; the SDKs pull nothing before that succeeds. */
export class RetryableRejectionError extends Error {
  constructor(readonly response: PushResponse) {
    super(`The server wants these pushed again: ${JSON.stringify(response.rejected)}`);
  }
}

/**
 * A phone with an app on it: does over HTTP what the published SDKs do, by their rules
 * (docs/protocol.md#the-life-of-a-device).
 */
export class Device {
  readonly store = new LocalStore();
  checkpoint = 0;
  /** Why the server sent this device to a snapshot, in order. */
  readonly snapshotReasons: string[] = [];
  private manifest: SchemaResponse | undefined;
  private snapshotComplete = false;
  private readonly knownBuckets = new Set<string>();

  /** @param userId Sent as `X-User-ID`. */
  constructor(
    public url: string,
    readonly userId: string,
    readonly clientId: string = randomUUID(),
    private readonly options: DeviceOptions = {},
  ) {}

  /** A new device on which the app has started. */
  static async started(url: string, userId: string, options?: DeviceOptions): Promise<Device> {
    const device = new Device(url, userId, randomUUID(), options);
    await device.start();
    return device;
  }

  /** Rows of a table that the app shows, by id. */
  rows(table: string): Map<string, Row> {
    return this.store.live(table);
  }

  /** A row that the app shows. */
  row(table: string, id: string): Row | undefined {
    return this.rows(table).get(id);
  }

  /** What the SDKs do when the app starts: schema, register, a snapshot if there is none yet, then a sync. */
  async start(): Promise<void> {
    await this.schema();
    await this.register();
    if (this.checkpoint === 0 || !this.snapshotComplete) await this.snapshot();
    await this.sync();
  }

  /** What the SDKs do every 30 seconds. */
  async sync(): Promise<void> {
    await this.pushPending();
    await this.pull();
  }

  async schema(): Promise<SchemaResponse> {
    const manifest = await this.request<SchemaResponse>('schema');
    this.manifest = manifest;
    this.store.useSchema(manifest.tables);
    return manifest;
  }

  async register(): Promise<RegisterResponse> {
    return this.request<RegisterResponse>('register', {
      client_id: this.clientId,
      client_name: null,
      platform: 'test',
      app_version: this.options.appVersion ?? '1.0.0',
      ...(await this.schemaIds()),
    });
  }

  /** Replaces everything on the device, unpushed edits included, with the pages of a new snapshot. */
  async snapshot(): Promise<readonly SnapshotResponse[]> {
    await this.schemaIds();
    this.snapshotComplete = false;
    this.store.clear();
    const pages: SnapshotResponse[] = [];
    let cursor: SnapshotResponse['cursor'] | null = null;
    for (;;) {
      const page: SnapshotResponse = await this.snapshotPage({ cursor });
      pages.push(page);
      for (const record of page.records) this.store.replace(record);
      if (!page.has_more) {
        this.checkpoint = page.checkpoint;
        this.snapshotComplete = true;
        return pages;
      }
      if (!page.cursor) throw new Error('has_more without a cursor: an SDK would start over for ever');
      cursor = page.cursor;
    }
  }

  /** One snapshot request, for the first page unless the body says otherwise, whose answer is not applied. */
  async snapshotPage(body: Readonly<Record<string, unknown>> = {}): Promise<SnapshotResponse> {
    return this.request<SnapshotResponse>('snapshot', {
      client_id: this.clientId,
      cursor: null,
      limit: this.pageSize,
      ...(await this.schemaIds()),
      ...body,
    });
  }

  /** Pushes just these changes, in one request, and applies the results. */
  async push(changes: readonly PushChange[]): Promise<PushResponse> {
    const response = await this.request<PushResponse>('push', {
      client_id: this.clientId,
      changes: changes.map((change) => ({
        data: null,
        client_updated_at: new Date().toISOString(),
        base_updated_at: null,
        ...change,
      })),
      ...(await this.schemaIds()),
    });
    for (const result of response.accepted) this.store.applyAccepted(result);
    for (const result of response.rejected) this.store.applyRejected(result);
    return response;
  }

  /**
   * Pushes the edits of {@link create}, {@link update} and {@link delete} until there are none left.
   *
   * @throws RetryableRejectionError
   */
  async pushPending(): Promise<readonly PushResponse[]> {
    const responses: PushResponse[] = [];
    while (this.store.pendingCount > 0) {
      const response = await this.push(this.store.pending(this.pageSize));
      responses.push(response);
      if (response.rejected.some(({ status }) => status === 'rejected_retryable')) {
        throw new RetryableRejectionError(response);
      }
    }
    return responses;
  }

  /** Pulls until there is no more; takes a snapshot when told to. */
  async pull(): Promise<readonly PullResponse[]> {
    const pages: PullResponse[] = [];
    for (;;) {
      const page = await this.pullPage();
      pages.push(page);
      if (page.snapshot_required) {
        const reason = page.snapshot_reason ?? '';
        this.snapshotReasons.push(reason);
        if (reason !== 'initial_sync_required') await this.pushPending();
        await this.snapshot();
        return pages;
      }
      for (const record of page.changes) this.store.applyChange(record);
      for (const { table_name: table, id } of page.deletes) this.store.applyDelete(table, id);
      for (const bucket of page.bucket_updates?.added ?? []) this.knownBuckets.add(bucket);
      for (const bucket of page.bucket_updates?.removed ?? []) this.knownBuckets.delete(bucket);
      const progress = page.checkpoint > this.checkpoint;
      if (progress) this.checkpoint = page.checkpoint;
      if (!page.has_more) return pages;
      if (!progress) throw new Error('has_more without a larger checkpoint: an SDK would ask for ever');
    }
  }

  /** One pull request at the device's checkpoint, or another one, whose answer is not applied. */
  async pullPage(body: Readonly<Record<string, unknown>> = {}): Promise<PullResponse> {
    return this.request<PullResponse>('pull', {
      client_id: this.clientId,
      checkpoint: this.checkpoint,
      tables: null,
      limit: this.pageSize,
      known_buckets: this.knownBuckets.size > 0 ? [...this.knownBuckets] : null,
      ...(await this.schemaIds()),
      ...body,
    });
  }

  /** Adds a row while offline; the next {@link sync} pushes it. Returns its id. */
  create(table: string, values: Row, id: string = randomUUID()): string {
    this.store.create(table, id, values);
    return id;
  }

  /** Changes a row while offline. */
  update(table: string, id: string, values: Row): void {
    this.store.update(table, id, values);
  }

  /** Deletes a row while offline. */
  delete(table: string, id: string): void {
    this.store.delete(table, id);
  }

  /** The schema version and hash that every request carries; read from the server when they are not known. */
  async schemaIds(): Promise<SchemaIds> {
    const { schema_version, schema_hash } = this.manifest ?? (await this.schema());
    return { schema_version, schema_hash };
  }

  /** Any request as this device, whatever the answer. */
  async send(path: string, body?: unknown): Promise<WireAnswer> {
    return send(`${this.url}/sync/${path}`, {
      ...(body !== undefined && { body }),
      headers: {
        'X-User-ID': this.userId,
        'X-App-Version': this.options.appVersion ?? '1.0.0',
        ...this.options.headers,
      },
    });
  }

  protected get pageSize(): number {
    return this.options.pageSize ?? 100;
  }

  private async request<Answer>(path: string, body?: unknown): Promise<Answer> {
    const answer = await this.send(path, body);
    // The SDKs take only 200 for success.
    if (answer.status !== 200) throw new SyncHttpError(path, answer);
    return answer.json as Answer;
  }
}
