import type { ChildChange, WriteRequest } from '../../../resolvers/write-policy.js';
import type { PushContext, PushItem, StoredRow } from '../push-change.js';
import { plainChange, plainRow } from '../values/plain-value.js';
import { createColumns, updateColumns } from '../values/writable-columns.js';

/** A question about the row itself. */
export function ownRequest(item: PushItem, row: StoredRow): WriteRequest {
  const current = plainRow(row);
  const columns = item.data === null ? [] : updateColumns(item.table, item.data);
  const operation = operationOf(item, row);
  const wanted = operation === 'delete' ? null : { ...current, ...plainChange(columns, item, row) };
  return {
    recordId: row.id,
    operation,
    current,
    wanted,
    owner: row.owner ?? null,
    byDefault: row.owned,
    child: null,
  };
}

/** A question about a new row. @param parent null where it has none */
export function createRequest(
  item: PushItem,
  parent: StoredRow | null,
  { userId }: Pick<PushContext, 'userId'>,
): WriteRequest {
  const { table, primaryKey, columns } = item.table;
  const sent = plainChange(createColumns(item.table, item.data ?? new Map()), item, undefined);
  const isOwnerSeen = columns.some(({ name }) => name === table.ownerColumn);
  const forced = table.ownerColumn !== null && isOwnerSeen ? { [table.ownerColumn]: userId } : {};
  return {
    recordId: item.id,
    operation: 'create',
    current: null,
    wanted: { [primaryKey.name]: item.id, ...sent, ...forced },
    owner: table.ownerColumn === null ? (parent?.owner ?? null) : userId,
    byDefault: parent?.owned ?? true,
    child: null,
  };
}

/** The question whether the user may change the children of a row. @param row the record's own, if it has one */
export function childRequest(item: PushItem, row: StoredRow | undefined, above: StoredRow): WriteRequest {
  const current = plainRow(above);
  return {
    recordId: above.id,
    operation: 'update',
    current,
    wanted: current,
    owner: above.owner ?? null,
    byDefault: above.owned,
    child: { table: item.table.table.name, recordId: row?.id ?? item.id, operation: operationOf(item, row) },
  };
}

/** The effect on the row, under any operation that the device names. */
function operationOf({ operation }: PushItem, row: StoredRow | undefined): ChildChange['operation'] {
  if (!row) return 'create';
  if (operation === 'delete') return 'delete';
  return operation === 'create' && row.deletedAt !== null ? 'undelete' : 'update';
}
