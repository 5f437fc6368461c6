import { keyOf } from '../records/record.js';
import { applyRecords, readRecords, type ServerRecord } from '../records/pulled.js';
import type { EntryWrite } from '../store/store.js';
import type { PullPage, SnapshotPage } from '../wire/messages.js';
import { restart, type Connection } from './connection.js';
import { FIRST_STAMP, type KnownState, type Replica } from './replica.js';
import type { KeyedVerdict } from './waiters.js';

const PAGE_SIZE = 1_000;

/** The commit of an own push that a pull waits for (docs/protocol.md). */
export interface PullFor {
  readonly after?: string | undefined;
  readonly wait_ms?: number | undefined;
}

/** Brings the server's rows: by pulls, or by a snapshot where the server asks for one. Pending edits stay on top. */
export class Pulling {
  /** Times of pushes that were applied while answers are under way: these may be older. */
  private applied = new Map<string, string>();

  constructor(
    private readonly replica: Replica,
    private readonly connection: Connection,
  ) {}

  /** @returns whether the log still lacks the commit that the pull waited for */
  async pull(wanted: PullFor = {}): Promise<boolean> {
    for (;;) {
      // A new schema asks for a snapshot, too.
      await this.connection.ensure();
      if (this.replica.meta.snapshot || this.replica.meta.checkpoint === 0) await this.snapshot();
      const { checkpoint } = this.replica.meta;
      this.applied = new Map();
      const page = await this.connection.post<PullPage>('pull', { checkpoint, limit: PAGE_SIZE, ...wanted });
      if (this.replica.meta.snapshot) continue;
      if (page.snapshot_required === true) {
        await this.beginSnapshot();
        continue;
      }
      await this.applyPage(checkpoint, page);
      if (!page.has_more) return page.behind === true;
      if (page.checkpoint <= checkpoint) throw new Error('pull has more, but no larger checkpoint');
    }
  }

  recordApplied(key: string, updatedAt: string): void {
    this.applied.set(key, updatedAt);
  }

  private async applyPage(from: number, page: PullPage): Promise<void> {
    const deletes = page.deletes.map(({ id, table_name: table }): ServerRecord => ({ table, id, row: null }));
    await this.apply([...deletes, ...readRecords(this.replica.tables, page.changes)], ({ meta }) =>
      meta.checkpoint === from ? { ...meta, checkpoint: Math.max(from, page.checkpoint) } : null,
    );
  }

  private async beginSnapshot(): Promise<void> {
    await this.replica.transactAsLeader({}, ({ meta }) => ({
      writes: { meta: { ...meta, ...restart(meta.stamp) } },
      result: undefined,
    }));
  }

  /** Continues an interrupted snapshot: each page is stored with its cursor, while the next one is under way. */
  private async snapshot(): Promise<void> {
    const { stamp, snapshot } = this.replica.meta;
    let { cursor, rows } = snapshot ?? { cursor: null as unknown, rows: 0 };
    this.applied = new Map();
    let answer = this.snapshotPage(cursor);
    for (;;) {
      const page = await answer;
      if (page.has_more) {
        if (!page.cursor) throw new Error('snapshot has more, but no cursor');
        answer = this.snapshotPage(page.cursor);
        // Its failure is thrown once this page is stored.
        answer.catch(() => undefined);
      }
      const before = rows;
      ({ cursor } = page);
      rows += page.records.length;
      const next = page.has_more
        ? { snapshot: { cursor, rows } }
        : { snapshot: null, checkpoint: page.checkpoint };
      const isStored = await this.apply(
        readRecords(this.replica.tables, page.records),
        // The schema has changed under this page, or the store was emptied: the snapshot begins again.
        ({ meta }) =>
          meta.stamp === stamp && (meta.snapshot?.rows ?? 0) === before ? { ...meta, ...next } : null,
        !page.has_more,
      );
      if (!isStored) return this.snapshot();
      if (!page.has_more) return;
    }
  }

  private snapshotPage(cursor: unknown): Promise<SnapshotPage> {
    return this.connection.post<SnapshotPage>('snapshot', { cursor, limit: PAGE_SIZE });
  }

  /**
   * @param next The meta to store with the records; null where they are outdated.
   * @returns whether they are stored
   */
  private async apply(
    records: readonly ServerRecord[],
    next: (state: KnownState) => KnownState['meta'] | null,
    isLastPage = false,
  ): Promise<boolean> {
    const { applied } = this;
    const keys = records.map(({ table, id }) => ({ table, id }));
    // The very first snapshot has nothing to sweep.
    const sweeps = isLastPage && this.replica.meta.stamp > FIRST_STAMP;
    const entries = sweeps ? 'all' : keys;
    return this.replica.transactAsLeader({ entries }, (state) => {
      const meta = next(state);
      if (!meta) return { result: false };
      const changes = applyRecords(this.replica.tables, records, state.entries, meta.stamp, applied);
      const verdicts = changes.entries.flatMap(({ table, id, entry }): KeyedVerdict[] => {
        const before = state.entries.get(keyOf({ table, id }));
        if (entry || !before) return [];
        return [{ table, id, generation: before.generation, verdict: { status: 'applied' } }];
      });
      const gone = sweeps ? missing(state, changes.entries, meta.stamp) : [];
      return {
        writes: {
          meta,
          rows: changes.rows,
          entries: [...changes.entries, ...gone],
          ...(sweeps && { sweep: meta.stamp }),
        },
        verdicts,
        result: true,
      };
    });
  }
}

/** The pending edits of records that the snapshot did not bring: the server has no such rows. */
function missing(state: KnownState, brought: readonly EntryWrite[], stamp: number): readonly EntryWrite[] {
  const known = new Set(brought.map(keyOf));
  return [...state.entries.values()]
    .filter((entry) => entry.stamp < stamp && entry.server && !known.has(keyOf(entry)))
    .map((entry) => ({ table: entry.table, id: entry.id, entry: { ...entry, server: null } }));
}
