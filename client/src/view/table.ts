import type { Edits, Write } from '../engine/edits.js';
import type { Replica } from '../engine/replica.js';
import type { Observable } from '../observable.js';
import { canonicalId } from '../records/ids.js';
import { newRow } from '../records/local-values.js';
import type { Operation, Row } from '../records/record.js';
import { runQuery, type Query } from './query.js';
import type { Changed, TableView } from './table-view.js';
import { transact, type TransactionTable } from './transaction.js';
import { withId } from './with-id.js';

/** One table. Reads come from memory, at once; the rows are there after the first `load`, which any read begins. */
export interface Table<R, Create, Update> {
  readonly name: string;
  /** The column that the rows' ids are in. @throws SyncError `no_schema`, `unknown_table` */
  readonly key: string;
  /** Resolves when the table's rows are in memory. */
  load(): Promise<void>;
  get(id: string): R | undefined;
  query(query?: Query<R>): readonly R[];
  /** A query that is kept up to date: `get` returns the same array until its rows change. */
  observe(query?: Query<R>): Observable<readonly R[]>;
  /**
   * Calls `listener` once for each transaction, pull or load that changes the table, however many rows it changes, with
   * their ids; with null where all rows may have changed.
   */
  subscribe(listener: (changed: Changed) => void): () => void;
  /** The row that {@link create} would show, with an id and the defaults that can be computed here; it writes nothing. */
  draft(values: Create): R;
  /** Makes the id, unless the values have the key. Resolves once the row is durable here. */
  create(values: Create): Promise<Write>;
  /** Writes and sends only these columns. */
  update(id: string, values: Update): Promise<Write>;
  delete(id: string): Promise<Write>;
  /** As `sync.transaction`, for this table alone. */
  transaction(work: (table: TransactionTable<R, Create, Update>) => void): Promise<readonly Write[]>;
}

export function tableOf(name: string, replica: Replica, edits: Edits): Table<Row, Row, Row> {
  const view = replica.views.view(name);
  const load = (): Promise<void> => replica.views.load(name);
  const loaded = (): TableView => {
    // A read can't wait; the next one tries again, and `load()` throws the failure.
    if (!view.isLoaded) load().catch(() => undefined);
    return view;
  };
  const idOf = (id: string): string => canonicalId(replica.tables.get(name), id);
  const write = async (operation: Operation, id: string, values: Row): Promise<Write> => {
    const [done] = await edits.write([{ table: name, operation, id, values }]);
    if (!done) throw new Error(`${name}/${id}: nothing was written`);
    return done;
  };
  return {
    name,
    get key() {
      return replica.table(name).key;
    },
    load,
    get: (id) => loaded().rows.get(idOf(id)),
    query: (query) => runQuery(loaded().rows.values(), query),
    observe: (query) => observe(loaded, query),
    subscribe: (listener) => loaded().listeners.add(listener),
    draft: (values) => {
      const { id, rest } = withId(replica, name, values);
      return newRow(replica.table(name), id, rest, new Date().toISOString());
    },
    create: async (values) => {
      const { id, rest } = withId(replica, name, values);
      return write('create', id, rest);
    },
    update: (id, values) => write('update', idOf(id), values),
    delete: (id) => write('delete', idOf(id), {}),
    transaction: (work) => transact(replica, edits, (draft) => work(draft.table(name))),
  };
}

function observe(loaded: () => TableView, query: Query<Row> | undefined): Observable<readonly Row[]> {
  let version = -1;
  let rows: readonly Row[] = [];
  return {
    get: () => {
      const view = loaded();
      if (view.version === version) return rows;
      version = view.version;
      const found = runQuery(view.rows.values(), query);
      const isSame = found.length === rows.length && found.every((row, index) => row === rows[index]);
      if (!isSame) rows = found;
      return rows;
    },
    subscribe: (listener) => loaded().listeners.add(listener),
  };
}
