import { tableSchema, type TableSchema } from '../records/columns.js';
import { keyOf, type Meta } from '../records/record.js';
import { SyncError } from '../sync-error.js';
import {
  isMissed,
  MISSED,
  type Decision,
  type OpenStore,
  type Reads,
  type State,
  type Writes,
} from '../store/store.js';
import type { Schema } from '../wire/messages.js';
import { Listeners } from '../observable.js';
import { Views } from '../view/views.js';
import { type Announcement, EVERYTHING, isAnnouncement, NOTHING, readsOf } from './announcement.js';
import { withCounts } from './counts.js';
import { Waiters, type KeyedVerdict } from './waiters.js';

/** {@link Meta.stamp} of a new store. */
export const FIRST_STAMP = 1;

/** A state whose meta is there. */
export interface KnownState extends State {
  readonly meta: Meta;
}

export interface Outcome<Result> extends Decision<Result> {
  readonly verdicts?: readonly KeyedVerdict[];
}

/** The user's data on this device: every write goes through {@link transact}, which updates views and other tabs. */
export class Replica {
  readonly views: Views;
  readonly waiters = new Waiters();
  /** After each transaction that wrote, of any tab. */
  readonly stored = new Listeners();
  /** After each transaction that changed the refused edits, of any tab. */
  readonly refusals = new Listeners();
  /** Resolves when the views have the writes that other tabs have announced so far. */
  heard: Promise<void> = Promise.resolve();
  /** Whether the last write had no space. */
  isFull = false;
  tables: ReadonlyMap<string, TableSchema> = new Map();
  schema: Schema | null = null;
  private latest: Meta;
  private epoch: number | null = null;
  private isClosed = false;
  /** Whether a read after another tab's announcement has failed. */
  private isBehind = false;

  private constructor(
    readonly store: OpenStore,
    meta: Meta,
    schema: Schema | null,
  ) {
    this.latest = meta;
    this.useSchema(schema);
    this.views = new Views((table) => store.readTable(table));
    store.tabs?.listen((received) => {
      if (isMissed(received)) this.listen(EVERYTHING);
      else if (isAnnouncement(received)) this.listen(received);
    });
  }

  static async open(store: OpenStore, user: string): Promise<Replica> {
    const first: Meta = {
      user,
      clientId: crypto.randomUUID(),
      checkpoint: 0,
      snapshot: null,
      stamp: FIRST_STAMP,
      generation: 0,
      epoch: 0,
      pending: 0,
      refused: 0,
    };
    const { meta, schema } = await store.transact({ schema: true }, (state) => ({
      ...(state.meta === null && { writes: { meta: first } }),
      result: { meta: state.meta ?? first, schema: state.schema },
    }));
    return new Replica(store, meta, schema);
  }

  /** The meta after the last transaction that this tab knows of. */
  get meta(): Meta {
    return this.latest;
  }

  /** @throws SyncError `unknown_table`, or `no_schema` before the first contact with the server */
  table(name: string): TableSchema {
    const table = this.tables.get(name);
    if (table) return table;
    if (!this.schema) {
      throw new SyncError(
        'no_schema',
        `${name} can't be written yet: no answer of the server has named its tables so far`,
      );
    }
    const known = [...this.tables.keys()].join(', ');
    throw new SyncError('unknown_table', `"${name}" is no synced table; those are ${known}`);
  }

  /** Begins to write as the tab that talks to the server; an older leader's writes fail from then on. */
  async lead(): Promise<void> {
    this.epoch = await this.transact({}, ({ meta }) => {
      // Never one that a leader from before a sign-out may hold.
      const epoch = Math.max(meta.epoch + 1, Date.now());
      return { writes: { meta: { ...meta, epoch } }, result: epoch };
    });
  }

  /** As {@link transact}, for what only the leader writes. @throws SyncError `stale_leader` */
  async transactAsLeader<Result>(
    reads: Reads,
    decide: (state: KnownState) => Outcome<Result>,
  ): Promise<Result> {
    return this.transact(reads, (state) => {
      if (state.meta.epoch !== this.epoch) throw new SyncError('stale_leader', 'another tab took over');
      return decide(state);
    });
  }

  /**
   * Reads, decides and writes in one transaction of the store; then updates views, waiting callers and other tabs.
   * `reads` has to name the entries that it writes: the counts of {@link Meta} come from them.
   *
   * @param unshow Takes edits out of the views that were shown before they were stored.
   */
  async transact<Result>(
    reads: Reads,
    decide: (state: KnownState) => Outcome<Result>,
    unshow?: () => void,
  ): Promise<Result> {
    if (this.isClosed) throw new SyncError('closed', 'the sync client is closed');
    const { writes, verdicts, result, meta } = await this.storing(reads, (state) => {
      if (this.isClosed) throw new SyncError('closed', 'the sync client is closed');
      const known = { ...state, meta: state.meta ?? this.emptied() };
      const decided = decide(known);
      const counted = decided.writes && withCounts(known.meta, known, decided.writes);
      const meta = counted?.meta ?? known.meta;
      const { schema } = this;
      const restored = state.meta === null ? { ...(schema && { schema }), ...counted, meta } : counted;
      return { ...(restored && { writes: restored }), result: { ...decided, meta } };
    });
    this.latest = meta;
    if (writes || verdicts) await this.announce(writes ?? {}, verdicts ?? [], unshow);
    else unshow?.();
    return result;
  }

  private async storing<Result>(reads: Reads, decide: (state: State) => Decision<Result>): Promise<Result> {
    try {
      const result = await this.store.transact(reads, decide);
      this.isFull = false;
      return result;
    } catch (error) {
      if (!(error instanceof Error && error.name === 'QuotaExceededError')) throw error;
      this.isFull = true;
      this.stored.call();
      throw error;
    }
  }

  close(): void {
    this.isClosed = true;
    this.waiters.close();
  }

  private async announce(
    writes: Writes,
    verdicts: readonly KeyedVerdict[],
    unshow?: () => void,
  ): Promise<void> {
    const rows = writes.rows ?? [];
    const reload = writes.sweep !== undefined;
    if (writes.schema) this.useSchema(writes.schema);
    this.views.change(() => {
      for (const { table, id, row } of rows) this.views.view(table).set(id, row);
      // After the rows: before them, a view would show the old row for a moment.
      unshow?.();
    });
    const keys = rows.map(({ table, id }) => ({ table, id }));
    const schema = writes.schema !== undefined;
    const refused = (writes.refused ?? []).length > 0;
    this.store.tabs?.post({ type: 'stored', keys, reload, schema, refused, verdicts } satisfies Announcement);
    await this.notify({ reload, refused, verdicts });
  }

  private async notify({
    reload,
    refused,
    verdicts,
  }: Pick<Announcement, 'reload' | 'refused' | 'verdicts'>): Promise<void> {
    if (reload) await this.views.reloadAll();
    for (const verdict of verdicts) this.waiters.resolve(verdict);
    if (refused) this.refusals.call();
    this.stored.call();
  }

  /** Reads the store again, in this tab and all others: one that died may not have announced its last writes. */
  missed(): Promise<void> {
    this.store.tabs?.post(MISSED);
    this.listen(EVERYTHING);
    return this.heard;
  }

  /** Reads the meta again. */
  refresh(): Promise<void> {
    this.listen(NOTHING);
    return this.heard;
  }

  private listen(announcement: Announcement): void {
    this.heard = this.heard.then(async () => {
      try {
        await this.hear(this.isBehind ? EVERYTHING : announcement);
        this.isBehind = false;
      } catch (error) {
        this.isBehind = true;
        // The store is closed, or the user has signed out in another tab.
        if (error instanceof SyncError && error.code === 'closed') this.close();
      }
    });
  }

  private async hear(announcement: Announcement): Promise<void> {
    const rows = this.views.ofLoaded(announcement.keys);
    const state = await this.store.transact(readsOf(announcement, rows), (found) => ({ result: found }));
    if (this.isClosed) return;
    if (state.meta) this.latest = state.meta;
    if (state.schema) this.useSchema(state.schema);
    this.views.change(() => {
      for (const key of rows) this.views.view(key.table).set(key.id, state.rows.get(keyOf(key))?.row ?? null);
    });
    await this.notify(announcement);
    if (announcement === EVERYTHING) this.waiters.resolveMissed(state);
  }

  /** The meta of a store that was emptied under the client: a snapshot fills it again. */
  private emptied(): Meta {
    return { ...this.latest, checkpoint: 0, snapshot: null, pending: 0, refused: 0 };
  }

  private useSchema(schema: Schema | null): void {
    this.schema = schema;
    this.tables = new Map(schema?.tables.map((table) => [table.table_name, tableSchema(table)]));
  }
}
