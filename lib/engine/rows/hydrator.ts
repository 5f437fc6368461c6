import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { quoteIdentifier, quoteLiteral } from '../../common/identifiers.js';
import { isLiveSql } from '../../store/host-rows/is-live-sql.js';
import { SyncRegistry } from '../../registry/sync-registry.js';
import type { SyncTable } from '../../registry/sync-table.js';
import { isSeenByDefaultRule } from '../../resolvers/default-rule.js';
import { OwnershipResolver } from '../../resolvers/ownership-resolver.js';
import { rowColumnsSql, timestampJsonSql } from '../../schema/row-json.js';
import type { ContractTable } from '../../schema/schema-contract.js';
import { defaultBucketColumns, inDefaultBucketsSql } from '../../store/host-rows/default-bucket-sql.js';
import { pipelined, type SqlStatement } from '../../database/pipeline.js';
import { PreparedStatement } from '../../database/statement.js';
import type { WireRecords } from './wire-records.js';
import { rowSizeSql } from './row-size.js';

/**
 * Records of one table, in the order of the answer. Arrays are as PostgreSQL writes them, since they go back
 * unparsed.
 */
export interface RecordList {
  readonly table: ContractTable;
  /** `text[]` */
  readonly ids: string;
  /** `timestamptz[]`, what is served where it is later than the row's own time; null: nowhere. */
  readonly servedAt: string | null;
  /** Of the list, this many from its beginning. Default: all. */
  readonly length?: number;
}

export interface HydrateOptions {
  /** The buckets that the user reads: a row that has left them, though its edges have not, is left out. */
  readonly buckets: readonly string[];
  /** Budget of row data for each list. */
  readonly maxBytes: number;
  /** Leaves out soft-deleted rows. Default: they come as soft-deleted records. */
  readonly liveOnly?: boolean;
  /** Of these each record is a piece of its own, for it has to find its place among those of other lists. */
  readonly apart?: (list: RecordList) => boolean;
}

/** The records of a list as an answer has them. */
export interface Hydrated {
  /** Without the records that don't exist (any more). */
  readonly pieces: readonly Piece[];
  /** Place in the list, from 1, of the first record that the budget has left out, with all that follow; null: none. */
  readonly cut: number | null;
  /** The records that are there, but as they are now not the user's: they are ahead of their edges. */
  readonly leftOut: readonly LeftOut[];
}

interface LeftOut {
  readonly id: string;
  /** It was to be served with a time other than the row's own. */
  readonly forceNewerTimestamp: boolean;
}

export interface Piece extends WireRecords {
  /** Place in the list, from 1, of its first record. */
  readonly place: number;
}

/** Reads records as clients see them. The caller has decided which records the user may see. */
@Injectable()
export class Hydrator {
  /** By tables as one contract has them: for lists in one piece, and in pieces. */
  private readonly kept = {
    whole: new WeakMap<ContractTable, PreparedStatement<HydratedColumns>>(),
    apart: new WeakMap<ContractTable, PreparedStatement<HydratedColumns>>(),
  };

  constructor(
    private readonly registry: SyncRegistry,
    private readonly ownership: OwnershipResolver,
  ) {}

  /**
   * Reads the rows of each list as records of the wire, in one round trip.
   * @returns the result of each list
   */
  async hydrate(
    manager: EntityManager,
    lists: readonly RecordList[],
    options: HydrateOptions,
  ): Promise<readonly Hydrated[]> {
    return (await pipelined(manager, this.statements(manager, lists, options))).map(toHydrated);
  }

  /** The same by statements of the caller's, whose rows are for {@link toHydrated}. */
  statements(
    manager: EntityManager,
    lists: readonly RecordList[],
    { buckets, maxBytes, liveOnly = false, apart = () => false }: HydrateOptions,
  ): readonly SqlStatement[] {
    return lists.map((list) => {
      const { table, ids, servedAt, length = null } = list;
      const statement = this.statementFor(table, apart(list) ? 'apart' : 'whole');
      return statement.bind(manager, [buckets, maxBytes, ids, servedAt, length, liveOnly]);
    });
  }

  /** Those of a table's records that exist and are not deleted, as far as the default rule lets the user see them. */
  async findLive(
    manager: EntityManager,
    table: ContractTable,
    ids: readonly string[],
    buckets: readonly string[],
  ): Promise<ReadonlySet<string>> {
    const { sql, parameters } = this.liveSql(table, ids, buckets);
    const rows: { id: string }[] = await manager.query(sql, [...parameters]);
    return new Set(rows.map(({ id }) => id));
  }

  /** The statement of {@link findLive}. */
  liveSql(
    { table, primaryKey }: ContractTable,
    ids: readonly string[],
    buckets: readonly string[],
  ): SqlStatement & Required<Pick<SqlStatement, 'parameters'>> {
    const key = quoteIdentifier(table.idColumn);
    const columns = new Set([table.idColumn, ...timesOf(table), ...defaultBucketColumns(table)]);
    return {
      sql: `SELECT w.id FROM unnest($2::text[]) AS w (id)
        CROSS JOIN LATERAL (
          SELECT ${columnList([...columns])} FROM ${table.sql} AS t
           WHERE t.${key} = w.id::${primaryKey.sqlType} OFFSET 0) AS t
        WHERE ${isLiveSql(table, 't')} AND ${this.ruleSql(table, '$1::text[]')}`,
      parameters: [buckets, ids],
    };
  }

  /** Whether a row is left out that, as it is now, the user does not read. */
  repeatsRule(table: SyncTable): boolean {
    return isSeenByDefaultRule(this.ownership, this.registry, table);
  }

  /** One for each table, not one for each set of tables that a page may have: connections keep them. */
  private statementFor(table: ContractTable, form: 'whole' | 'apart'): PreparedStatement<HydratedColumns> {
    const statements = this.kept[form];
    let statement = statements.get(table);
    if (!statement) {
      statement = new PreparedStatement(
        // (Also to group by a constant would be to sort all the text.)
        `${this.selectSql(table)} ${form === 'apart' ? 'GROUP BY r.n ORDER BY r.n' : ''}`,
      );
      statements.set(table, statement);
    }
    return statement;
  }

  private ruleSql(table: SyncTable, buckets: string): string {
    return this.repeatsRule(table)
      ? inDefaultBucketsSql(this.registry, table, 't', buckets)
      : `${buckets} IS NOT NULL`; // an unused parameter would have no type
  }

  /**
   * $1 buckets, $2 budget, $3 ids, $4 served, $5 length, $6 whether live only.
   *
   * OFFSET 0 keeps the rule out of the search by key: PostgreSQL estimates that the rule leaves one row in a
   * thousand, and would scan the whole table with it. The second one evaluates the rule once for each row.
   */
  private selectSql(contractTable: ContractTable): string {
    const { table, primaryKey, columns } = contractTable;
    const key = quoteIdentifier(table.idColumn);
    const needed = [...columns.map(({ name }) => name), ...timesOf(table)];
    const seen = `(${this.ruleSql(table, '$1::text[]')}) IS TRUE`;
    const size = `CASE WHEN s.seen THEN ${rowSizeSql(columns, 't')} ELSE 0 END`;
    const hasRoom = `coalesce(sum(${size}) OVER (ORDER BY w.n ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0) < $2::bigint`;
    const record = [
      `'{"id":' || ${PLAIN_KEYS.has(primaryKey.baseType) ? `'"' || w.id || '"'` : 'to_json(w.id)::text'}`,
      quoteLiteral(`,"table_name":${JSON.stringify(table.name)},"data":`),
      `(SELECT row_to_json(d.*)::text FROM (SELECT ${rowColumnsSql(contractTable, 't')}) AS d)`,
      `',"updated_at":' || ${timestampJsonSql(`greatest(coalesce(${updatedAtSql(contractTable)}, 'epoch'), w.served_at)`)}`,
      `coalesce(',"deleted_at":' || ${timestampJsonSql(timeSql(table.deletedAtColumn))}, '')`,
      `'}'`,
    ];
    return `SELECT (min(r.n) FILTER (WHERE r.record IS NOT NULL))::int AS place, count(r.record)::int AS count,
              string_agg(r.record, ',' ORDER BY r.n) AS text, (min(r.n) FILTER (WHERE NOT r.has_room))::int AS cut,
              (json_agg(json_build_object('id', r.id, 'forceNewerTimestamp', r.has_served_at)) FILTER (WHERE r.has_room AND NOT r.seen))::text AS "leftOut"
         FROM (
           SELECT w.n, w.id, w.served_at IS NOT NULL AS has_served_at, s.seen, ${hasRoom} AS has_room,
                  CASE WHEN s.seen AND ${hasRoom} THEN ${record.join(' || ')} END AS record
             FROM unnest($3::text[], $4::timestamptz[]) WITH ORDINALITY AS w (id, served_at, n)
            CROSS JOIN LATERAL (
              SELECT ${columnList([...new Set([...needed, ...defaultBucketColumns(table)])])} FROM ${table.sql} AS t
               WHERE t.${key} = w.id::${primaryKey.sqlType} OFFSET 0) AS t
            CROSS JOIN LATERAL (SELECT ${seen} AS seen OFFSET 0) AS s
            WHERE ($5::int IS NULL OR w.n <= $5::int) AND (NOT $6::boolean OR ${isLiveSql(table, 't')})) AS r`;
  }
}

interface HydratedColumns {
  /** null: no record is in the answer. */
  readonly place: number | null;
  readonly count: number;
  /** null: the budget was used up before. */
  readonly text: string | null;
  readonly cut: number | null;
  /** JSON; null: none. */
  readonly leftOut: string | null;
}

/** Types whose text needs no escaping in JSON. */
const PLAIN_KEYS: ReadonlySet<string> = new Set(['uuid', 'int2', 'int4', 'int8']);

/** The result of a list, from the rows of its statement. */
export function toHydrated(answered: readonly unknown[]): Hydrated {
  const rows = answered as readonly HydratedColumns[];
  return {
    pieces: rows.flatMap(({ place, count, text }) =>
      place === null || text === null ? [] : { place, count, text },
    ),
    cut: rows.find(({ cut }) => cut !== null)?.cut ?? null,
    leftOut: rows.flatMap(({ leftOut }) => (leftOut === null ? [] : (JSON.parse(leftOut) as LeftOut[]))),
  };
}

/**
 * A row's update time. Where it has none, the commit's by which it became what it is, which its edges have: what devices
 * hold is older, or has no time.
 */
function updatedAtSql({ table, columns }: ContractTable): string {
  const own = timeSql(table.updatedAtColumn);
  if (columns.find(({ name }) => name === table.updatedAtColumn)?.nullable === false) return own;
  return `coalesce(${own}, (SELECT max(e.row_updated_at) FROM :sync.sync_bucket_edges AS e
    WHERE e.table_name = ${quoteLiteral(table.name)} AND e.record_id = w.id))`;
}

function timeSql(column: string | null): string {
  return column === null ? 'NULL::timestamptz' : `t.${quoteIdentifier(column)}::timestamptz`;
}

function timesOf({ updatedAtColumn, deletedAtColumn }: SyncTable): readonly string[] {
  return [updatedAtColumn, deletedAtColumn].filter((name) => name !== null);
}

/** Every column that is needed, and no other: the role may read no others. */
function columnList(names: readonly string[]): string {
  return names.map((name) => `t.${quoteIdentifier(name)}`).join(', ');
}
