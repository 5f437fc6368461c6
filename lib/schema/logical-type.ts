import type { CatalogType } from './introspection/catalog-table.js';
import type { LogicalType } from './schema-contract.js';

/**
 * The type that clients store a column as (docs/protocol.md#logical-types), or null for a type that can't be synced.
 *
 * Types that the reference calls unsupported although their values travel well as text are strings here: citext,
 * inet, money, xml, ranges, bit strings, text search, and the types of extensions (hazard W-SCH-2). Composite types
 * stay out, and so do types that PostgreSQL turns into JSON of their own (hstore), and arrays of these: no client
 * could write them.
 *
 * @param elementType of an array's elements
 */
export function logicalTypeOf(type: CatalogType, elementType: CatalogType | null = null): LogicalType | null {
  if (type.kind === 'c' || type.kind === 'p') return null;
  if (type.isArray) return elementType?.castsToJson ? null : 'json';
  if (type.castsToJson) return null;
  return BUILT_IN.get(type.oid) ?? 'string';
}

/** By the fixed OIDs of PostgreSQL's own types (`pg_type.dat`). */
const BUILT_IN: ReadonlyMap<number, LogicalType> = new Map([
  [16, 'boolean'],
  [17, 'bytes'],
  [20, 'int64'],
  [21, 'int'],
  [23, 'int'],
  [114, 'json'],
  [700, 'float'],
  [701, 'float'],
  [1082, 'date'],
  [1083, 'time'],
  [1114, 'datetime'],
  [1184, 'datetime'],
  [1266, 'time'],
  [1700, 'float'],
  [3802, 'json'],
]);
