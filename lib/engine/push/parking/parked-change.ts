import { formatMicros } from '../../../common/timestamp.js';
import type { SchemaContract } from '../../../schema/schema-contract.js';
import type { ParkedKey, ParkedRow } from '../../../store/clients/parked-rows.js';
import { jsonText, parseJson } from '../values/json.js';
import type { PushChange, PushItem } from '../push-change.js';

/** A create as it is parked. */
export function parkedRow(item: PushItem, { tables }: SchemaContract): ParkedRow {
  const parent = tables.get(item.table.table.parent ?? '');
  if (!parent || item.parentId === null) throw new RangeError(`${item.key} has no parent to wait for`);
  return {
    ...parkedKey(item),
    parentTable: parent.table.name,
    parentId: item.parentId,
    change: dataJson(item.data),
    clientUpdatedAt: formatMicros(item.clientMicros),
    base: item.base,
  };
}

export function parkedKey({ table, id }: PushItem): ParkedKey {
  return { table: table.table.name, recordId: id };
}

/** The same create, as if it had just come in. */
export function parkedChange(row: ParkedRow): PushChange {
  return {
    id: row.recordId,
    table_name: row.table,
    operation: 'create',
    data: parseJson(row.change),
    client_updated_at: row.clientUpdatedAt,
    base_updated_at: row.base,
  };
}

/** The columns of the contract that a client sent, as JSON text with exact numbers. */
export function dataJson(data: ReadonlyMap<string, unknown> | null): string {
  return jsonText(Object.fromEntries(data ?? []));
}
