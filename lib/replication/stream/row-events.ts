import { upsert } from '../../common/collections.js';
import type { SyncTable } from '../../registry/sync-table.js';
import type { ResolveRow } from '../../resolvers/ownership-resolver.js';
import type { RuleRow } from '../rules/bucket-function-call.js';
import type { RuleFailure } from '../rules/bucket-rules.js';
import type { Relation, RowMessage, Tuple } from './pgoutput.js';
import type { TrackedTable, TrackedTables } from '../tables/tracked-tables.js';
import type { Change } from './transaction-batcher.js';

/** One change of one record of a synced table. */
export interface RowEvent {
  /** Place in the batch: entries keep the order of the log. */
  readonly order: number;
  /** The place of the last change of its transaction, as far as that is in the batch. */
  readonly commitEnd: number;
  readonly table: SyncTable;
  readonly recordId: string;
  readonly kind: 'insert' | 'update' | 'delete';
  /** The new row; null for a delete. Values that were not sent (unchanged TOAST) are missing. */
  row: ResolveRow | null;
  /** The row before; null where the WAL doesn't have it whole. */
  readonly previous: ResolveRow['data'] | null;
  /** A needed value is missing in {@link row}. */
  readonly incomplete: boolean;
  /** It couldn't be read again, as the row is deleted by now: it keeps its buckets until its own delete comes. */
  unknown: boolean;
  /** Whether its rule was asked, which then has failed, or named these buckets of its own. */
  isAsked: boolean;
  own: readonly string[] | null;
  failure: RuleFailure | null;
  readonly commitTime: bigint;
}

/** The events of a segment's changes, for the synced tables. */
export interface RowEvents {
  readonly byTable: ReadonlyMap<string, readonly RowEvent[]>;
  /** Records whose bucket sources changed, by table. */
  readonly touched: ReadonlyMap<string, ReadonlySet<string>>;
  /** Tables with a delete, or an update that may have changed the key, whose old key the WAL doesn't name. */
  readonly unnamed: ReadonlySet<string>;
  /** Tables with an insert or update whose row the WAL doesn't identify. */
  readonly unidentified: ReadonlySet<string>;
  /** Tables with a bucket source that has a change which doesn't name every record that it concerns. */
  readonly touchedUnnamed: ReadonlySet<string>;
}

/** Turns decoded messages into events of the synced tables. A changed key is a delete and an update. */
export function toRowEvents(changes: readonly Change[], tracked: TrackedTables): RowEvents {
  const byTable = new Map<string, RowEvent[]>();
  const touched = new Map<string, Set<string>>();
  const unnamed = new Set<string>();
  const unidentified = new Set<string>();
  const touchedUnnamed = new Set<string>();
  const followed = new Map<Relation, FollowedRelation>();
  const ends = commitEnds(changes);
  for (const [order, { message, commitTime }] of changes.entries()) {
    if (message.tag === 'truncate') continue;
    const { relation } = message;
    const { source, isPartial } = upsert(followed, relation, () => follow(relation, tracked));
    if (source?.table) {
      const events = upsert(byTable, source.table.name, () => []);
      const commitEnd = ends[order] ?? order;
      addEvents(events, { table: source.table, isPartial, order, commitEnd, commitTime }, message);
      if (!relation.positions.has(source.table.idColumn)) unidentified.add(source.table.name);
      if (!namesFormer(message, source.table.idColumn)) unnamed.add(source.table.name);
    }
    for (const { table, fkColumn } of source?.dependents ?? NO_DEPENDENTS) {
      const ids = upsert(touched, table.name, () => new Set());
      for (const id of sourceKeys(message, fkColumn)) ids.add(id);
      if (!namesFormer(message, fkColumn) || !relation.positions.has(fkColumn))
        touchedUnnamed.add(table.name);
    }
  }
  return { byTable, touched, unnamed, unidentified, touchedUnnamed };
}

/** For each change the place of the last one of its transaction. */
function commitEnds(changes: readonly Change[]): readonly number[] {
  const ends: number[] = [];
  for (let place = changes.length - 1; place >= 0; place--) {
    const isLast = changes[place]?.commitLsn !== changes[place + 1]?.commitLsn;
    ends[place] = isLast ? place : (ends[place + 1] ?? place);
  }
  return ends;
}

interface FollowedRelation {
  readonly source: TrackedTable | undefined;
  readonly isPartial: boolean;
}

function follow(relation: Relation, tracked: TrackedTables): FollowedRelation {
  return { source: tracked.find(relation.schema, relation.name), isPartial: tracked.isPartial(relation) };
}

const NO_DEPENDENTS: TrackedTable['dependents'] = [];

/** The new rows of some events. */
export function rowsToResolve(events: readonly RowEvent[]): readonly RuleRow[] {
  const rows: RuleRow[] = [];
  for (const { row, kind, previous } of events) {
    if (row === null) continue;
    const { recordId, data } = row;
    rows.push({ recordId, data, previous, operation: kind === 'insert' ? 'create' : 'update' });
  }
  return rows;
}

/** Where an event is from. */
interface EventSource {
  readonly table: SyncTable;
  /** The relation lacks a column that a rule may read. */
  readonly isPartial: boolean;
  readonly order: number;
  readonly commitEnd: number;
  readonly commitTime: bigint;
}

function addEvents(events: RowEvent[], from: EventSource, message: RowMessage): void {
  const { table, isPartial, order, commitEnd, commitTime } = from;
  const { relation } = message;
  const previousId = message.tag === 'insert' ? null : value(relation, message.previous, table.idColumn);
  if (message.tag === 'delete') {
    if (previousId !== null) events.push(gone(from, previousId));
    return;
  }
  const previous =
    message.tag === 'update' && message.isPreviousWhole && message.previous
      ? toData(relation, message.previous, null).data
      : null;
  const { data, incomplete } = toData(relation, message.next, previous);
  // A key that is stored out of line and did not change comes with the old tuple alone.
  const recordId = (data[table.idColumn] ??= previousId);
  if (recordId === null) return;
  if (previousId !== null && previousId !== recordId) events.push(gone(from, previousId));
  events.push({
    order,
    commitEnd,
    table,
    recordId,
    kind: message.tag,
    row: { recordId, data },
    previous,
    incomplete: incomplete || isPartial,
    unknown: false,
    isAsked: false,
    own: null,
    failure: null,
    commitTime,
  });
}

function gone({ order, commitEnd, table, commitTime }: EventSource, recordId: string): RowEvent {
  return {
    order,
    commitEnd,
    table,
    recordId,
    kind: 'delete',
    row: null,
    previous: null,
    incomplete: false,
    unknown: false,
    isAsked: false,
    own: null,
    failure: null,
    commitTime,
  };
}

/**
 * Whether a change says the old value of a column that it took away or may have changed. It does when the column is
 * part of the replica identity; that may have been altered since the start.
 */
function namesFormer(message: RowMessage, column: string): boolean {
  if (message.tag === 'insert') return true;
  if (value(message.relation, message.previous, column) !== null) return true;
  return message.tag === 'update' && message.relation.identity.has(column);
}

function sourceKeys(message: RowMessage, fkColumn: string): readonly string[] {
  const { relation } = message;
  const tuples = [
    message.tag === 'insert' ? null : message.previous,
    message.tag === 'delete' ? null : message.next,
  ];
  return tuples.map((tuple) => value(relation, tuple, fkColumn)).filter((id) => id !== null);
}

function value(relation: Relation, tuple: Tuple | null, column: string): string | null {
  const position = relation.positions.get(column);
  return (position === undefined ? null : tuple?.[position]) ?? null;
}

function toData(
  { columns, decoded }: Relation,
  tuple: Tuple,
  previous: ResolveRow['data'] | null,
): { data: Record<string, string | null>; incomplete: boolean } {
  const data: Record<string, string | null> = {};
  let incomplete = false;
  for (let position = 0; position < columns.length; position++) {
    if (decoded[position] !== true) continue;
    const column = columns[position] ?? '';
    // Under REPLICA IDENTITY FULL the old row has what was not sent again.
    const text = tuple[position] === undefined ? previous?.[column] : tuple[position];
    if (text === undefined) incomplete = true;
    else data[column] = text;
  }
  return { data, incomplete };
}
