import { SyncError } from '../sync-error.js';
import type { TableSchema } from './columns.js';
import { namedId } from './ids.js';
import { checkValues, newRow } from './local-values.js';
import type { Entry, Operation, RecordKey, Row } from './record.js';
import { without } from './same.js';

/** One edit, as the app asks for it. */
export interface Edit extends RecordKey {
  readonly operation: Operation;
  readonly values: Row;
}

/** A record as the app sees it, and its pending edit; both null where there is none. */
export interface RecordState {
  readonly row: Row | null;
  readonly entry: Entry | null;
}

/** The members of an entry that do not come from the edit itself. */
export interface EditStamps {
  readonly generation: number;
  readonly group: number;
  readonly at: string;
}

/**
 * A record after one more edit: what is seen, and the pending edit into which this one was merged.
 * @throws SyncError `record_exists`, `record_not_found`, or what {@link checkValues} throws
 */
export function applyEdit(
  table: TableSchema,
  before: RecordState,
  edit: Edit,
  stamps: EditStamps,
): RecordState {
  const isCreate = edit.operation === 'create';
  const values = checkValues(table, edit.values, isCreate);
  if (isCreate) {
    if (before.row) throw problem('record_exists', edit, 'is there already: update it');
    return created(table, before.entry, edit, values, stamps);
  }
  if (!before.row) throw problem('record_not_found', edit, 'is not there');
  return edit.operation === 'delete'
    ? deleted(before.row, before.entry, edit, stamps)
    : updated(before.row, before.entry, edit, values, stamps);
}

function created(
  table: TableSchema,
  pending: Entry | null,
  { table: name, id }: Edit,
  values: Row,
  stamps: EditStamps,
): RecordState {
  // The record was deleted here, and the server still has it: the create becomes an update.
  if (pending?.server) {
    return {
      row: { ...pending.server, ...values },
      entry: { ...pending, operation: 'update', patch: values, ...stamps },
    };
  }
  const entry: Entry = {
    ...(pending ?? {
      stamp: 0,
      sent: false,
    }),
    table: name,
    id,
    operation: 'create',
    patch: values,
    base: null,
    ...stamps,
  };
  return { row: newRow(table, id, values, stamps.at), entry };
}

function updated(
  row: Row,
  pending: Entry | null,
  { table, id }: Edit,
  values: Row,
  stamps: EditStamps,
): RecordState {
  const patch = without(values, row);
  if (Object.keys(patch).length === 0) return { row, entry: pending };
  const entry: Entry = pending
    ? { ...pending, patch: { ...pending.patch, ...patch }, ...stamps }
    : { table, id, operation: 'update', patch, base: row, server: row, stamp: 0, sent: false, ...stamps };
  return { row: { ...row, ...patch }, entry };
}

function deleted(row: Row, pending: Entry | null, { table, id }: Edit, stamps: EditStamps): RecordState {
  // The record was created here, and no push has sent it.
  if (pending?.operation === 'create' && !pending.sent && !pending.server) return { row: null, entry: null };
  const { base, server, stamp } = pending ?? { base: row, server: row, stamp: 0 };
  const known = server === undefined ? {} : { server };
  const entry: Entry = {
    table,
    id,
    operation: 'delete',
    patch: {},
    base,
    ...known,
    stamp,
    sent: pending?.sent ?? false,
    ...stamps,
  };
  return { row: null, entry };
}

function problem(
  code: 'record_exists' | 'record_not_found',
  { table, id }: RecordKey,
  what: string,
): SyncError {
  return new SyncError(code, `${table}/${id} ${what}`);
}

/** The visible row of a record: the server's version with the pending edit on top. */
export function seenRow(table: TableSchema, entry: Entry): Row | null {
  if (entry.operation === 'delete') return null;
  const under = entry.server ?? entry.base ?? newRow(table, entry.id, entry.patch, entry.at);
  return { ...under, ...entry.patch };
}

/** The creates under a record that is removed, at any depth, nearest first. */
export function createdUnder(
  key: RecordKey,
  entries: Iterable<Entry>,
  tables: ReadonlyMap<string, TableSchema>,
): readonly Entry[] {
  const creates = [...entries].filter(({ operation }) => operation === 'create');
  const found: Entry[] = [];
  for (let parents: readonly RecordKey[] = [key]; parents.length > 0;) {
    const children = creates.filter((entry) => {
      const parent = tables.get(entry.table)?.parent;
      if (!parent || found.includes(entry)) return false;
      return parents.some(
        ({ table, id }) => parent.table === table && namedId(entry.patch[parent.column]) === id,
      );
    });
    found.push(...children);
    parents = children;
  }
  return found;
}
