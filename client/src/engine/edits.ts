import { applyEdit, createdUnder, type Edit, type RecordState } from '../records/edit.js';
import { keyOf, type Entry, type Meta, type RecordKey, type Refused, type Row } from '../records/record.js';
import { put } from '../records/put.js';
import type { Verdict } from '../records/verdict.js';
import { SyncError } from '../sync-error.js';
import type { EntryWrite, Reads, RefusedWrite, RowWrite } from '../store/store.js';
import type { KnownState, Outcome, Replica } from './replica.js';
import type { KeyedVerdict } from './waiters.js';

/** A write that is durable on this device. */
export interface Write {
  readonly id: string;
  /** The server's verdict; never rejects. Waits for as long as the device is offline. */
  readonly verdict: Promise<Verdict>;
}

/** Stores edits of the app's, each group of them in one transaction. */
export class Edits {
  constructor(private readonly replica: Replica) {}

  /**
   * Shows edits at once, and resolves when they are stored.
   * @throws SyncError what is wrong with one of them; then none is stored
   */
  async write(edits: readonly Edit[]): Promise<readonly Write[]> {
    // One time for both the shown and the stored row, or defaults would change.
    const at = new Date().toISOString();
    const unshow = this.show(edits, at);
    try {
      const keys = edits.map(({ table, id }) => ({ table, id }));
      const reads = { rows: keys, entries: entriesOf(edits, keys) };
      return await this.store({ reads, at, editsOf: () => edits, again: [], unshow });
    } catch (error) {
      this.replica.views.change(unshow);
      throw error;
    }
  }

  /**
   * Makes a refused edit again, on top of the row as it is now.
   * @throws SyncError `nothing_rejected`, or what is wrong with the edit now
   */
  async retry(key: string): Promise<readonly Write[]> {
    return this.redo(await this.refused(key));
  }

  /** As {@link retry}, whether or not the edits are still kept. */
  redo(items: readonly Refused[]): Promise<readonly Write[]> {
    const rows = items.map(({ table, id }) => ({ table, id }));
    const reads = { rows, entries: 'all', refused: true } as const;
    const editsOf = (state: KnownState): readonly Edit[] => items.map((item) => this.again(item, state));
    return this.store({ reads, at: new Date().toISOString(), editsOf, again: items, unshow: undefined });
  }

  /** @throws SyncError `nothing_rejected` */
  async discard(key: string): Promise<void> {
    const found = await this.refused(key);
    await this.replica.transact({ refused: true }, (state) => ({
      writes: { refused: found.filter((item) => state.refused.has(item.key)).map(removal) },
      result: undefined,
    }));
  }

  /** The edit of that key, and those that were taken along with it. */
  private async refused(key: string): Promise<readonly Refused[]> {
    const all = await this.replica.transact({ refused: true }, ({ refused }) => ({
      result: [...refused.values()],
    }));
    const first = all.find((item) => item.key === key);
    if (!first) throw new SyncError('nothing_rejected', `"${key}" is not, or no longer, in sync.rejected`);
    return [first, ...all.filter(({ under }) => under === key)];
  }

  private again({ table, id, operation, patch, base }: Refused, state: KnownState): Edit {
    const schema = this.replica.table(table);
    const isThere = state.rows.has(keyOf({ table, id }));
    const values = Object.fromEntries(
      Object.entries(isThere || operation === 'create' ? patch : { ...base, ...patch }).filter(
        ([name]) =>
          ![schema.key, schema.updatedAt, schema.deletedAt].includes(name) &&
          !(isThere && name === schema.parent?.column) &&
          schema.columns.has(name),
      ),
    );
    if (operation === 'delete') return { table, id, operation, values: {} };
    return { table, id, operation: isThere ? 'update' : 'create', values };
  }

  private show(edits: readonly Edit[], at: string): () => void {
    const undo: (() => void)[] = [];
    const { views } = this.replica;
    // Checks all edits first, so that none is shown that can't be stored.
    const checked = edits.map((edit) => ({ edit, table: this.replica.table(edit.table) }));
    const stamps = { generation: 0, group: 0, at };
    views.change(() => {
      try {
        for (const { edit, table } of checked) {
          const view = views.view(edit.table);
          if (!view.isLoaded) continue;
          const row = view.rows.get(edit.id) ?? null;
          const after = applyEdit(table, { row, entry: null }, edit, stamps).row;
          undo.push(view.add(edit.id, (under) => shown(edit, after, under)));
        }
      } catch (error) {
        for (const each of undo.splice(0)) each();
        throw error;
      }
    });
    return () => {
      for (const each of undo.splice(0)) each();
    };
  }

  private store({ reads, at, editsOf, again, unshow }: Storing): Promise<readonly Write[]> {
    return this.replica.transact(
      reads,
      (state): Outcome<readonly Write[]> => {
        const edits = editsOf(state);
        const draft = new Draft(this.replica, state);
        const generations = edits.map((edit) => draft.apply(edit, at));
        const writes = edits.map(({ table, id }, index) => ({
          id,
          verdict: this.replica.waiters.wait({ table, id }, generations[index] ?? 0),
        }));
        const refused: readonly RefusedWrite[] = again
          .filter(({ key }) => state.refused.has(key))
          .map(removal);
        return { writes: { ...draft.writes(), refused }, verdicts: draft.verdicts, result: writes };
      },
      unshow,
    );
  }
}

interface Storing {
  readonly reads: Reads;
  readonly at: string;
  readonly editsOf: (state: KnownState) => readonly Edit[];
  /** Refused edits that are made again. */
  readonly again: readonly Refused[];
  readonly unshow: (() => void) | undefined;
}

/** Records while several edits are made to them. */
class Draft {
  readonly verdicts: KeyedVerdict[] = [];
  private readonly changed = new Map<string, RecordKey & RecordState>();
  private readonly entries: Map<string, Entry>;
  private meta: Meta;
  private readonly group: number;

  constructor(
    private readonly replica: Replica,
    private readonly state: KnownState,
  ) {
    this.entries = new Map(state.entries);
    this.meta = state.meta;
    this.group = state.meta.generation + 1;
  }

  /** @returns the generation whose verdict is the edit's */
  apply(edit: Edit, at: string): number {
    const key = keyOf(edit);
    const before = this.changed.get(key) ?? {
      row: this.state.rows.get(key)?.row ?? null,
      entry: this.entries.get(key) ?? null,
    };
    const generation = this.meta.generation + 1;
    this.meta = { ...this.meta, generation };
    const after = applyEdit(this.replica.table(edit.table), before, edit, {
      generation,
      group: this.group,
      at,
    });
    this.put(edit, after);
    if (after.entry) return after.entry.generation;
    // Nothing is left to push: the record was never there for the server, or the edit changes nothing.
    const status = before.entry ? 'discarded' : 'applied';
    this.verdicts.push({ table: edit.table, id: edit.id, generation, verdict: { status } });
    if (before.entry) this.takeAlong(edit, { generation, at });
    return generation;
  }

  /** Discards the children that were created under a record unknown to the server. */
  private takeAlong(parent: RecordKey, { generation, at }: { generation: number; at: string }): void {
    for (const entry of createdUnder(parent, this.entries.values(), this.replica.tables)) {
      const { table, id } = entry;
      // One that may have reached the server is deleted there, too.
      const deletion: Entry = { ...entry, operation: 'delete', patch: {}, generation, group: this.group, at };
      this.put(entry, { row: null, entry: entry.sent ? deletion : null });
      if (!entry.sent) this.verdicts.push({ table, id, generation, verdict: { status: 'discarded' } });
    }
  }

  private put({ table, id }: RecordKey, after: RecordState): void {
    const key = keyOf({ table, id });
    this.changed.set(key, { table, id, ...after });
    put(this.entries, key, after.entry);
  }

  writes(): { meta: Meta; rows: readonly RowWrite[]; entries: readonly EntryWrite[] } {
    const changed = [...this.changed.values()];
    return {
      meta: this.meta,
      rows: changed.map(({ table, id, row }) => ({ table, id, row, stamp: this.stampOf({ table, id }) })),
      entries: changed.map(({ table, id, entry }) => ({
        table,
        id,
        entry: entry && {
          ...entry,
          stamp: this.stampOf({
            table,
            id,
          }),
        },
      })),
    };
  }

  /** The record's own stamp: an edit brings no version of the server's. */
  private stampOf(record: RecordKey): number {
    const key = keyOf(record);
    return this.state.entries.get(key)?.stamp ?? this.state.rows.get(key)?.stamp ?? this.meta.stamp;
  }
}

/** A delete reads all pending edits: it may discard creates under its record. */
function entriesOf(edits: readonly Edit[], keys: readonly RecordKey[]): 'all' | readonly RecordKey[] {
  return edits.some(({ operation }) => operation === 'delete') ? 'all' : keys;
}

function removal({ key }: Refused): RefusedWrite {
  return { key, refused: null };
}

function shown({ operation, values }: Edit, after: Row | null, under: Row | null): Row | null {
  if (operation !== 'update') return after;
  return under && { ...under, ...values };
}
