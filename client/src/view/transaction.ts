import type { Edits, Write } from '../engine/edits.js';
import type { Replica } from '../engine/replica.js';
import { applyEdit, type Edit } from '../records/edit.js';
import { canonicalId } from '../records/ids.js';
import { keyOf, type Operation, type Row } from '../records/record.js';
import { withId } from './with-id.js';

/** A table within a transaction: its reads see the transaction's own writes. */
export interface TransactionTable<R, Create, Update> {
  get(id: string): R | undefined;
  /** @returns the id */
  create(values: Create): string;
  update(id: string, values: Update): void;
  delete(id: string): void;
}

/** Collects the edits of `work`, and stores them in one step. */
export async function transact(
  replica: Replica,
  edits: Edits,
  work: (draft: TransactionDraft) => void | Promise<void>,
): Promise<readonly Write[]> {
  const draft = new TransactionDraft(replica);
  await work(draft);
  return draft.edits.length === 0 ? [] : edits.write(draft.edits);
}

/** Collects edits, and checks each against the rows in memory as the transaction has left them. */
export class TransactionDraft {
  readonly edits: Edit[] = [];
  private readonly rows = new Map<string, Row | null>();

  constructor(private readonly replica: Replica) {}

  table(name: string): TransactionTable<Row, Row, Row> {
    const idOf = (id: string): string => canonicalId(this.replica.tables.get(name), id);
    return {
      get: (id) => this.row(name, idOf(id)) ?? undefined,
      create: (values) => {
        const { id, rest } = withId(this.replica, name, values);
        this.add(name, 'create', id, rest);
        return id;
      },
      update: (id, values) => this.add(name, 'update', idOf(id), values),
      delete: (id) => this.add(name, 'delete', idOf(id), {}),
    };
  }

  private add(table: string, operation: Operation, id: string, values: Row): void {
    const edit = { table, operation, id, values };
    const isKnown = this.rows.has(keyOf(edit)) || this.replica.views.view(table).isLoaded;
    if (isKnown) {
      const state = { row: this.row(table, id), entry: null };
      const stamps = { generation: 0, group: 0, at: new Date().toISOString() };
      this.rows.set(keyOf(edit), applyEdit(this.replica.table(table), state, edit, stamps).row);
    }
    this.edits.push(edit);
  }

  private row(table: string, id: string): Row | null {
    const own = this.rows.get(keyOf({ table, id }));
    return own === undefined ? (this.replica.views.view(table).rows.get(id) ?? null) : own;
  }
}
