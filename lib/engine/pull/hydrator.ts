import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { quoteIdentifier } from '../../common/identifiers.js';
import { envelopeTimestamp } from '../../common/timestamp.js';
import { SyncRegistry } from '../../registry/sync-registry.js';
import type { SyncTable } from '../../registry/sync-table.js';
import { isSeenByDefaultRule } from '../../resolvers/default-rule.js';
import { OwnershipResolver } from '../../resolvers/ownership-resolver.js';
import { rowColumnsSql } from '../../schema/row-json.js';
import type { ContractColumn, ContractTable, SchemaContract } from '../../schema/schema-contract.js';
import { defaultBucketColumns, inDefaultBucketsSql } from '../../store/default-bucket-sql.js';
import { Statement } from '../../store/statement.js';

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
  /** By tables as one contract has them. */
  private readonly statements = new WeakMap<ContractTable, Statement<HydratedColumns>>();

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
    const found = new Map<string, ReadonlyMap<string, HydratedRow>>();
    for (const [name, records] of ids) {
      const table = contract.tables.get(name);
      if (!table || records.length === 0) continue;
      const rows = await this.statementFor(table).run(manager, [buckets, maxBytes, records]);
      found.set(name, new Map(rows.map((row) => [row.record_id, toHydrated(row)])));
    }
    return found;
  }

  /** Whether a row is left out that, as it is now, the user does not read. */
  repeatsRule(table: SyncTable): boolean {
    return isSeenByDefaultRule(this.ownership, this.registry, table);
  }

  /** One for each table, not one for each set of tables that a page may have: connections keep them. */
  private statementFor(table: ContractTable): Statement<HydratedColumns> {
    let statement = this.statements.get(table);
    if (!statement) {
      statement = new Statement(this.selectSql(table));
      this.statements.set(table, statement);
    }
    return statement;
  }

  /**
   * $1 buckets, $2 budget, $3 ids.
   *
   * OFFSET 0 keeps the rule out of the look-up by key: PostgreSQL guesses that it leaves one row in a thousand, and
   * would rather read the whole table, to have the rule look at every row.
   */
  private selectSql(contractTable: ContractTable): string {
    const { table, primaryKey, columns } = contractTable;
    const key = quoteIdentifier(table.idColumn);
    const rule = this.repeatsRule(table)
      ? inDefaultBucketsSql(this.registry, table, 't', '$1::text[]')
      : '$1::text[] IS NOT NULL'; // an unused parameter would have no type
    const size = sizeSql(columns, 't');
    return `SELECT w.record_id,
              CASE WHEN coalesce(sum(${size}) OVER (ORDER BY w.n ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0) < $2::bigint
                   THEN (SELECT row_to_json(d.*)::text FROM (SELECT ${rowColumnsSql(contractTable, 't')}) AS d) END AS data,
              t.${quoteIdentifier(table.updatedAtColumn)}::timestamptz::text AS updated_at,
              t.${quoteIdentifier(table.deletedAtColumn)}::timestamptz::text AS deleted_at
         FROM unnest($3::text[]) WITH ORDINALITY AS w (record_id, n)
        CROSS JOIN LATERAL (
          SELECT ${columnList(contractTable)} FROM ${table.sql} AS t
           WHERE t.${key} = w.record_id::${primaryKey.dbType} OFFSET 0) AS t
        WHERE ${rule}`;
  }
}

interface HydratedColumns {
  record_id: string;
  data: string | null;
  updated_at: string | null;
  deleted_at: string | null;
}

function toHydrated({ data, updated_at: updatedAt, deleted_at: deletedAt }: HydratedColumns): HydratedRow {
  return {
    data,
    updatedAt: updatedAt && envelopeTimestamp(updatedAt),
    deletedAt: deletedAt && envelopeTimestamp(deletedAt),
  };
}

/** Every column that is needed, and no other: the role may read no others. */
function columnList({ table, columns }: ContractTable): string {
  const { updatedAtColumn, deletedAtColumn } = table;
  const names = [...columns.map(({ name }) => name), updatedAtColumn, deletedAtColumn];
  const all = new Set([...names, ...defaultBucketColumns(table)]);
  return [...all].map((name) => `t.${quoteIdentifier(name)}`).join(', ');
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
