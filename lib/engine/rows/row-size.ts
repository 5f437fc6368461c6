import { quoteIdentifier } from '../../common/identifiers.js';
import type { ContractColumn } from '../../schema/schema-contract.js';

/** Types whose values have one size; the others are measured, which reads as little as possible from TOAST. */
const FIXED_SIZE: ReadonlySet<string> = new Set([
  'bool', 'int2', 'int4', 'int8', 'float4', 'float8', 'uuid', 'date', 'time', 'timestamp', 'timestamptz',
]); // prettier-ignore
const FIXED_BYTES = 24;

/**
 * About how many bytes a row's data has as JSON text.
 * @param alias the row's alias in the statement
 */
export function rowSizeSql(columns: readonly ContractColumn[], alias: string): string {
  const measured = columns.filter((column) => !FIXED_SIZE.has(column.baseType));
  const sizes = measured.map((column) =>
    valueSizeSql(column.baseType, `${alias}.${quoteIdentifier(column.name)}`),
  );
  return `(${[FIXED_BYTES * columns.length, ...sizes.map((size) => `coalesce(${size}, 0)`)].join(' + ')})`;
}

/**
 * Text and bytea know their length, compressed or not. Of other types only the stored size is known: a compressed
 * value may be a hundredth of its text, so it has to be read.
 */
function valueSizeSql(baseType: string, value: string): string {
  if (TEXTS.has(baseType)) return `octet_length(${value})`;
  if (baseType === 'bytea') return `2 * octet_length(${value})`;
  return `CASE WHEN pg_column_compression(${value}) IS NULL THEN pg_column_size(${value}) ELSE octet_length(${value}::text) END`;
}

const TEXTS: ReadonlySet<string> = new Set(['text', 'varchar', 'bpchar']);
