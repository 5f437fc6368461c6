import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { quoteIdentifier } from '../../common/identifiers.js';
import { SyncRegistry } from '../../registry/sync-registry.js';
import { isSeenByDefaultRule } from '../../resolvers/default-rule.js';
import { OwnershipResolver } from '../../resolvers/ownership-resolver.js';
import { rowColumnsSql, timestampEnvelopeSql } from '../../schema/row-json.js';
import type { ContractColumn, ContractTable, SchemaContract } from '../../schema/schema-contract.js';
import { inDefaultBucketsSql } from '../../store/default-bucket-sql.js';

/** Row data of one answer, unless `maxPageBytes` says otherwise. */
export const DEFAULT_PAGE_BYTES = 8 * 1024 * 1024;

/** A current row of a synced table. */
export interface HydratedRow {
  /** JSON text; null when the rows before it have used up the budget. */
  readonly data: string | null;
  /** RFC 3339; null when the column is. */
  readonly updatedAt: string | null;
  readonly deletedAt: string | null;
}

/** Types whose values have one size; the others are measured, which reads as little as possible from TOAST. */
const FIXED_SIZE: ReadonlySet<string> = new Set([
  'bool', 'int2', 'int4', 'int8', 'float4', 'float8', 'uuid', 'date', 'time', 'timestamp', 'timestamptz',
]); // prettier-ignore
const FIXED_BYTES = 24;

/** Reads records as clients see them. The caller has decided which records the user may see. */
@Injectable()
export class Hydrator {
  constructor(
    private readonly registry: SyncRegistry,
    private readonly ownership: OwnershipResolver,
  ) {}

  /**
   * @param ids records by table, in the order in which the budget is spent
   * @param buckets what the user reads: a row that has left them while its edges have not is left out
   * @param maxBytes budget of row data for each table
   * @returns table → record id → row; rows that don't exist (any more) are missing
   */
  async hydrate(
    manager: EntityManager,
    contract: SchemaContract,
    ids: ReadonlyMap<string, readonly string[]>,
    buckets: readonly string[],
    maxBytes: number,
  ): Promise<ReadonlyMap<string, ReadonlyMap<string, HydratedRow>>> {
    const wanted = [...ids].filter(([name, records]) => records.length > 0 && contract.tables.has(name));
    const found = new Map(wanted.map(([name]) => [name, new Map<string, HydratedRow>()]));
    if (wanted.length === 0) return found;
    const parameters: unknown[] = [buckets, maxBytes];
    const selects = wanted.map(([name, records]) => {
      parameters.push(name, records);
      const table = contract.tables.get(name);
      return table ? this.selectSql(table, parameters.length) : '';
    });
    const rows: HydratedColumns[] = await manager.query(selects.join(' UNION ALL '), parameters);
    for (const row of rows) {
      found.get(row.table_name)?.set(row.record_id, {
        data: row.data,
        updatedAt: row.updated_at,
        deletedAt: row.deleted_at,
      });
    }
    return found;
  }

  /** $1 buckets, $2 budget, and the table's name and ids as the two parameters up to `last`. */
  private selectSql(contractTable: ContractTable, last: number): string {
    const { table, primaryKey, columns } = contractTable;
    const key = quoteIdentifier(table.idColumn);
    const rule = isSeenByDefaultRule(this.ownership, this.registry, table)
      ? inDefaultBucketsSql(this.registry, table, 't', '$1::text[]')
      : '$1::text[] IS NOT NULL'; // an unused parameter would have no type
    const size = sizeSql(columns, 't');
    return `(SELECT $${last - 1}::text AS table_name, s.record_id, CASE WHEN s.used < $2::bigint THEN
              (SELECT row_to_json(d.*)::text FROM (SELECT ${rowColumnsSql(contractTable, 't')}) AS d) END AS data,
              ${timestampEnvelopeSql(`t.${quoteIdentifier(table.updatedAtColumn)}`)} AS updated_at,
              ${timestampEnvelopeSql(`t.${quoteIdentifier(table.deletedAtColumn)}`)} AS deleted_at
         FROM (SELECT w.record_id, sum(${size}) OVER (ORDER BY w.n) - ${size} AS used
                 FROM unnest($${last}::text[]) WITH ORDINALITY AS w (record_id, n)
                 JOIN ${table.sql} AS t ON t.${key} = w.record_id::${primaryKey.dbType}
                WHERE ${rule}) AS s
         JOIN ${table.sql} AS t ON t.${key} = s.record_id::${primaryKey.dbType})`;
  }
}

interface HydratedColumns {
  table_name: string;
  record_id: string;
  data: string | null;
  updated_at: string | null;
  deleted_at: string | null;
}

function sizeSql(columns: readonly ContractColumn[], alias: string): string {
  const measured = columns.filter((column) => !FIXED_SIZE.has(column.baseType));
  const sizes = measured.map((column) =>
    valueSizeSql(column.baseType, `${alias}.${quoteIdentifier(column.name)}`),
  );
  return `(${[FIXED_BYTES * columns.length, ...sizes.map((size) => `coalesce(${size}, 0)`)].join(' + ')})`;
}

/**
 * Text and bytea know their length, compressed or not. Of other types only the stored size is known: what is stored
 * compressed, a hundredth of its text perhaps, has to be looked at.
 */
function valueSizeSql(baseType: string, value: string): string {
  if (TEXTS.has(baseType)) return `octet_length(${value})`;
  if (baseType === 'bytea') return `2 * octet_length(${value})`;
  return `CASE WHEN pg_column_compression(${value}) IS NULL THEN pg_column_size(${value}) ELSE octet_length(${value}::text) END`;
}

const TEXTS: ReadonlySet<string> = new Set(['text', 'varchar', 'bpchar']);
