import { Listeners } from '../observable.js';
import { put } from '../records/put.js';
import type { Row } from '../records/record.js';
import { sameValue } from '../records/same.js';

/** Applies an edit that is not stored yet to a row. */
export type UnsavedEdit = (row: Row | null) => Row | null;

/** Ids of rows; null for all. */
export type Changed = ReadonlySet<string> | null;

/** A table's rows in memory, once they are loaded: those of the store, with edits on top that are being stored. */
export class TableView {
  /** Listeners get the ids of the rows that changed, or null where all may have. */
  readonly listeners = new Listeners<[Changed]>();
  /** Grows with each change. */
  version = 0;
  isLoaded = false;
  private changed: Set<string> | null = new Set();
  private seen = new Map<string, Row>();
  private readonly stored = new Map<string, Row | null>();
  private readonly unsaved = new Map<string, UnsavedEdit[]>();

  get rows(): ReadonlyMap<string, Row> {
    return this.seen;
  }

  load(rows: Map<string, Row>): void {
    this.seen = rows;
    this.isLoaded = true;
    this.changed = null;
    this.version += 1;
    for (const id of this.unsaved.keys()) {
      this.stored.set(id, rows.get(id) ?? null);
      this.show(id);
    }
  }

  /** A row as the store has it now. */
  set(id: string, row: Row | null): void {
    if (!this.isLoaded) return;
    if (this.unsaved.has(id)) {
      this.stored.set(id, row);
      this.show(id);
    } else {
      this.replace(id, row);
    }
  }

  /** Calls the listeners with the changes since the last call. */
  notify(): void {
    const { changed } = this;
    if (changed?.size === 0) return;
    this.changed = new Set();
    this.listeners.call(changed);
  }

  /** Shows an edit before it is stored. @returns what takes it away again */
  add(id: string, edit: UnsavedEdit): () => void {
    const edits = this.unsaved.get(id) ?? [];
    if (edits.length === 0) this.stored.set(id, this.seen.get(id) ?? null);
    this.unsaved.set(id, [...edits, edit]);
    this.show(id);
    return () => {
      const left = (this.unsaved.get(id) ?? []).filter((each) => each !== edit);
      put(this.unsaved, id, left.length > 0 ? left : null);
      this.show(id);
      if (left.length === 0) this.stored.delete(id);
    };
  }

  private show(id: string): void {
    if (!this.isLoaded) return;
    const stored = this.stored.get(id) ?? null;
    const edits = this.unsaved.get(id) ?? [];
    this.replace(
      id,
      edits.reduce((row, edit) => edit(row), stored),
    );
  }

  private replace(id: string, row: Row | null): void {
    const before = this.seen.get(id) ?? null;
    // The same content stays the same object, and notifies nobody: an edit that has been stored, an echo.
    if (sameValue(row, before)) return;
    put(this.seen, id, row);
    this.changed?.add(id);
    this.version += 1;
  }
}
