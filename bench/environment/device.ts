import { randomUUID } from 'node:crypto';
import type { HttpLoad } from './http-load.js';

interface SchemaIds {
  readonly schema_version: number;
  readonly schema_hash: string;
}

/** A row as answers carry it. */
export interface WireRecord {
  readonly id: string;
  readonly table_name: string;
  readonly data: Readonly<Record<string, unknown>>;
  readonly updated_at: string;
}

export interface PullAnswer {
  readonly changes: readonly WireRecord[];
  readonly deletes: readonly unknown[];
  readonly checkpoint: number;
  readonly has_more: boolean;
  readonly snapshot_required?: boolean;
}

export interface SnapshotAnswer {
  readonly records: readonly WireRecord[];
  readonly cursor?: { readonly checkpoint: number; readonly after_id: string };
  readonly checkpoint: number;
}

export interface PushAnswer {
  readonly accepted: readonly { readonly id: string; readonly server_updated_at: string }[];
  readonly rejected: readonly unknown[];
}

/** A device that says what it is told to: its requests are texts, so that the load costs little. */
export class BenchDevice {
  private readonly clientId = randomUUID();
  private schema: SchemaIds = { schema_version: 0, schema_hash: '' };
  checkpoint = 0;

  constructor(
    private readonly load: HttpLoad,
    readonly userId: string,
  ) {}

  async register(): Promise<this> {
    this.schema = JSON.parse(await this.load.get('/sync/schema', this.userId)) as SchemaIds;
    await this.send('register', this.body({ platform: 'bench', app_version: '1.0.0' }));
    return this;
  }

  /** Registers, and takes a snapshot to its end. */
  async start(): Promise<this> {
    await this.register();
    let cursor: SnapshotAnswer['cursor'] | null = null;
    do {
      const page: SnapshotAnswer = JSON.parse(await this.send('snapshot', this.snapshotBody(cursor, 1000)));
      this.checkpoint = page.checkpoint;
      cursor = page.cursor ?? null;
    } while (cursor !== null);
    return this;
  }

  /** Takes a snapshot to its end. The pages are not parsed: the load should cost little. */
  async snapshot(onPage: (text: string) => void): Promise<void> {
    let cursor: object | null = null;
    do {
      const text = await this.send('snapshot', this.snapshotBody(cursor, 1000));
      onPage(text);
      cursor = JSON.parse(/"cursor":(\{[^{}]*\}|null)/.exec(text)?.[1] ?? 'null') as object | null;
    } while (cursor !== null);
  }

  /** The text of the answer. */
  send(route: 'register' | 'pull' | 'push' | 'snapshot', body: string): Promise<string> {
    return this.load.post(`/sync/${route}`, body, this.userId);
  }

  /** Where its live stream is. */
  livePath(): string {
    return `/sync/live?client_id=${this.clientId}&since=${this.checkpoint}`;
  }

  pullBody(checkpoint: number, limit: number): string {
    return this.body({ checkpoint, limit });
  }

  snapshotBody(cursor: object | null, limit: number): string {
    return this.body({ cursor, limit });
  }

  pushBody(changes: readonly object[]): string {
    return this.body({ changes });
  }

  private body(members: object): string {
    return JSON.stringify({ client_id: this.clientId, ...members, ...this.ids() });
  }

  private ids(): SchemaIds {
    const { schema_version, schema_hash } = this.schema;
    return { schema_version, schema_hash };
  }
}
