import type { RecordKey, Row } from '../records/record.js';
import { TableView } from './table-view.js';

/** The tables that the app has read. */
export class Views {
  private readonly views = new Map<string, TableView>();
  private isOver = false;
  private readonly loading = new Map<string, Promise<void>>();

  constructor(private readonly read: (table: string) => Promise<Map<string, Row>>) {}

  view(table: string): TableView {
    const view = this.views.get(table) ?? new TableView();
    this.views.set(table, view);
    return view;
  }

  /** Reads a table from the store, the first time. */
  load(table: string): Promise<void> {
    const loading = this.loading.get(table) ?? this.reload(table);
    this.loading.set(table, loading);
    return loading;
  }

  /** Reads all tables again that are in memory. */
  async reloadAll(): Promise<void> {
    await Promise.all([...this.loading.keys()].map((table) => this.reload(table)));
  }

  /** Keys of tables that are in memory. */
  ofLoaded(keys: readonly RecordKey[]): readonly RecordKey[] {
    return keys.filter(({ table }) => this.views.get(table)?.isLoaded);
  }

  /** Makes changes to any number of tables, then notifies each table's listeners once. */
  change(work: () => void): void {
    if (this.isOver) return;
    work();
    for (const view of this.views.values()) view.notify();
  }

  /** Empties all tables, for good: nothing that is under way fills them again. */
  end(): void {
    this.change(() => {
      for (const view of this.views.values()) view.load(new Map());
    });
    this.isOver = true;
  }

  private async reload(table: string): Promise<void> {
    const rows = await this.read(table).catch((error: unknown) => {
      // The next read tries again.
      this.loading.delete(table);
      throw error;
    });
    this.change(() => this.view(table).load(rows));
  }
}
