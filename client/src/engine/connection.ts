import { fitEntries } from '../records/schema-change.js';
import { tableSchema } from '../records/columns.js';
import { seenRow } from '../records/edit.js';
import { HttpError, type Http } from '../wire/http.js';
import type { Schema, SchemaIds } from '../wire/messages.js';
import type { RowWrite } from '../store/store.js';
import type { Replica } from './replica.js';

/** Gives each request the current schema and a registered device. */
export class Connection {
  private ready: Promise<void> | null = null;
  private schemaIsKnown = false;

  constructor(
    private readonly replica: Replica,
    private readonly http: Http,
    private readonly device: { readonly appVersion?: string | undefined; readonly platform: string },
  ) {}

  /** POSTs as this device; reads the schema and registers again where the server asks for that. */
  async post<Answer extends object>(route: string, body: object): Promise<Answer> {
    for (let again = 0; ; again += 1) {
      const ready = this.ensure();
      await ready;
      try {
        const answer = await this.http.post(route, { ...this.ids(), ...body });
        if (typeof answer === 'object' && answer !== null) return answer as Answer;
        throw new Error(`${route} answered something else than an object`);
      } catch (error) {
        const isMismatch = error instanceof HttpError && error.status === 409;
        const isUnknown = error instanceof HttpError && error.status === 404;
        if ((!isMismatch && !isUnknown) || again === MAX_TRIES) throw error;
        if (isMismatch) this.schemaIsKnown = false;
        if (this.ready === ready) this.ready = null;
      }
    }
  }

  /** Resolves once the schema is known and the device registered. */
  ensure(): Promise<void> {
    const ready = this.ready ?? this.connect();
    this.ready = ready;
    ready.catch(() => {
      if (this.ready === ready) this.ready = null;
    });
    return ready;
  }

  private ids(): SchemaIds & { readonly client_id: string } {
    const { schema_version, schema_hash } = this.replica.schema ?? { schema_version: 0, schema_hash: '' };
    return { client_id: this.replica.meta.clientId, schema_version, schema_hash };
  }

  private async connect(): Promise<void> {
    for (let again = 0; ; again += 1) {
      if (!this.schemaIsKnown) await this.readSchema();
      const { appVersion, platform } = this.device;
      try {
        await this.http.post('register', { ...this.ids(), platform, app_version: appVersion ?? '' });
        return;
      } catch (error) {
        if (!(error instanceof HttpError && error.status === 409) || again === MAX_TRIES) throw error;
        this.schemaIsKnown = false;
      }
    }
  }

  /** Takes over a new schema: pending edits stay, and a snapshot brings rows with the new columns. */
  private async readSchema(): Promise<void> {
    const { schema_version, schema_hash, tables } = (await this.http.get('schema')) as Schema;
    if (!Array.isArray(tables)) throw new Error('schema answered no tables');
    const schema: Schema = { schema_version, schema_hash, tables };
    const known = new Map(tables.map((table) => [table.table_name, tableSchema(table)]));
    await this.replica.transactAsLeader({ schema: true, entries: 'all', refused: true }, (state) => {
      if (state.schema?.schema_hash === schema_hash && state.schema.schema_version === schema_version) {
        return { result: undefined };
      }
      const fitted = fitEntries(known, state.entries.values());
      const rows = fitted.entries.flatMap((write): RowWrite[] => {
        const table = known.get(write.table);
        const { id, entry } = write;
        if (!table || !entry) return [];
        return [{ table: write.table, id, row: seenRow(table, entry), stamp: entry.stamp }];
      });
      const { meta } = state;
      // Old rows stay visible until the snapshot is complete.
      const next = state.schema === null ? meta : { ...meta, ...restart(meta.stamp) };
      const { entries, refused, ended } = fitted;
      const verdicts = ended.map(({ entry: { table, id, generation }, verdict }) => ({
        table,
        id,
        generation,
        verdict,
      }));
      return { writes: { meta: next, schema, entries, refused, rows }, verdicts, result: undefined };
    });
    this.schemaIsKnown = true;
  }
}

/** Begins a snapshot: rows that it does not bring keep an older stamp. */
export function restart(stamp: number): {
  readonly snapshot: { cursor: null; rows: 0 };
  readonly stamp: number;
} {
  return { snapshot: { cursor: null, rows: 0 }, stamp: stamp + 1 };
}

/** A schema may change again while the client reads it. */
const MAX_TRIES = 3;
