import type { SqlRunner } from '../store/session.js';

/** What a column is made of, as `pg_type` describes it. */
export interface CatalogType {
  readonly oid: number;
  /** `typname`, e.g. `jsonb`, `timestamptz`, `_text`. */
  readonly name: string;
  /** `typtype`: `b` base, `e` enum, `r` range, `m` multirange, `c` composite, `p` pseudo, `d` domain (of an array's elements only: a column's are looked through). */
  readonly kind: string;
  readonly isArray: boolean;
  /** PostgreSQL writes its values into JSON through a cast, not as text (hstore, PostGIS geometry). */
  readonly castsToJson: boolean;
}

/** One column as the catalogs describe it. */
export interface CatalogColumn {
  readonly name: string;
  /** `format_type`, as declared, without a schema: a domain's own name, an enum's, `numeric(10,2)`. */
  readonly dbType: string;
  /** The same for SQL: with its schema, where that is not PostgreSQL's own. */
  readonly sqlType: string;
  /** Its type with every domain looked through. */
  readonly type: CatalogType;
  /** The type of an array's elements; null for what is no array. */
  readonly elementType: CatalogType | null;
  /** The server refuses null, by the column or by a domain. */
  readonly notNull: boolean;
  /** As PostgreSQL prints it, a domain's default included; a generated column's expression is none. */
  readonly defaultSql: string | null;
  readonly generated: boolean;
  readonly identity: 'always' | 'by_default' | null;
  readonly isPrimaryKey: boolean;
}

/** What a relation is, as far as its changes are concerned. */
export type RelationKind =
  | 'table'
  | 'view'
  | 'materialized view'
  | 'foreign table'
  | 'unlogged table'
  | 'partition'
  | 'inheritance parent';

/** One table as the catalogs describe it. */
export interface CatalogTable {
  readonly oid: number;
  /** A partitioned table is a `table`: its partitions' changes are published under its name. */
  readonly kind: RelationKind;
  /** The table that a partition belongs to. */
  readonly parent: string | null;
  /** A trigger that may fill columns in before a row is inserted. */
  readonly hasInsertTrigger: boolean;
  /** In `attnum` order. */
  readonly columns: readonly CatalogColumn[];
}

/**
 * Reads all named relations in one statement. The answer has one entry for each name, in order; null where there is
 * nothing that has rows.
 *
 * Types are told apart by OID and category, never by the shape of their names (hazard W-SCH-2). Timestamps among
 * the defaults are printed in the session's time zone, so run it under `TEXT_SETTINGS`.
 */
export async function introspect(
  manager: SqlRunner,
  tables: readonly { readonly schema: string; readonly name: string }[],
): Promise<readonly (CatalogTable | null)[]> {
  const rows: CatalogRow[] = await manager.query(CATALOG_SQL, [
    tables.map(({ schema }) => schema),
    tables.map(({ name }) => name),
  ]);
  return tables.map((_, index) => toTable(rows.filter(({ ord }) => ord === index + 1)));
}

interface CatalogRow {
  readonly ord: number;
  readonly table_oid: number;
  readonly relation_kind: RelationKind;
  readonly parent: string | null;
  readonly has_insert_trigger: boolean;
  /** Null for a table without any column. */
  readonly name: string | null;
  readonly db_type: string;
  readonly sql_type: string;
  readonly type_oid: number;
  readonly type_name: string;
  readonly type_kind: string;
  readonly type_casts: boolean;
  readonly is_array: boolean;
  readonly element_oid: number | null;
  readonly element_name: string | null;
  readonly element_kind: string | null;
  readonly element_casts: boolean;
  readonly not_null: boolean;
  readonly default_sql: string | null;
  readonly generated: boolean;
  readonly identity: string;
  readonly is_pk: boolean;
}

// OIDs are unsigned, beyond integer; as float8 every host's `pg` parses them to a number (int8 would be text).
const CATALOG_SQL = `
WITH RECURSIVE wanted AS (
  SELECT w.ord, c.oid,
    CASE WHEN c.relkind = 'v' THEN 'view' WHEN c.relkind = 'm' THEN 'materialized view'
      WHEN c.relkind = 'f' THEN 'foreign table' WHEN c.relpersistence = 'u' THEN 'unlogged table'
      WHEN c.relispartition THEN 'partition'
      WHEN c.relkind = 'r' AND EXISTS (SELECT FROM pg_catalog.pg_inherits i WHERE i.inhparent = c.oid) THEN 'inheritance parent'
      ELSE 'table' END AS relation_kind,
    (SELECT i.inhparent::regclass::text FROM pg_catalog.pg_inherits i WHERE i.inhrelid = c.oid LIMIT 1) AS parent,
    -- TRIGGER_TYPE_ROW, _BEFORE and _INSERT
    EXISTS (SELECT FROM pg_catalog.pg_trigger g
      WHERE g.tgrelid = c.oid AND NOT g.tgisinternal AND g.tgenabled <> 'D' AND g.tgtype & 7 = 7) AS has_insert_trigger
  FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS w(schema_name, table_name, ord)
  JOIN pg_catalog.pg_namespace n ON n.nspname = w.schema_name
  JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = w.table_name
    AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
), attribute AS (
  SELECT w.ord, a.*
  FROM wanted w
  JOIN pg_catalog.pg_attribute a ON a.attrelid = w.oid AND a.attnum > 0 AND NOT a.attisdropped
), chain AS (
  SELECT DISTINCT atttypid AS oid, atttypid AS step, false AS not_null FROM attribute
  UNION ALL
  SELECT c.oid, t.typbasetype, c.not_null OR t.typnotnull
  FROM chain c JOIN pg_catalog.pg_type t ON t.oid = c.step AND t.typtype = 'd'
), base AS (
  SELECT c.oid, c.not_null, t.oid AS base_oid, t.typname, t.typtype, t.typcategory = 'A' AS is_array, t.typelem,
    ${castsToJsonSql('t')} AS casts
  FROM chain c JOIN pg_catalog.pg_type t ON t.oid = c.step AND t.typtype <> 'd'
)
SELECT w.ord::integer AS ord, w.oid::bigint::float8 AS table_oid, w.relation_kind, w.parent, w.has_insert_trigger,
  a.attname::text AS name,
  f.bare AS db_type, CASE WHEN f.prefix = 'pg_catalog.' THEN f.bare ELSE f.prefix || f.bare END AS sql_type,
  b.base_oid::bigint::float8 AS type_oid, b.typname::text AS type_name, b.typtype::text AS type_kind,
  b.casts AS type_casts, b.is_array,
  e.oid::bigint::float8 AS element_oid, e.typname::text AS element_name, e.typtype::text AS element_kind,
  coalesce(${castsToJsonSql('e')}, false) AS element_casts,
  a.attnotnull OR b.not_null AS not_null,
  CASE WHEN a.attgenerated = '' THEN coalesce(
    pg_catalog.pg_get_expr(d.adbin, d.adrelid), pg_catalog.pg_get_expr(t.typdefaultbin, 0)
  ) END AS default_sql,
  a.attgenerated <> '' AS generated, a.attidentity::text AS identity,
  coalesce(a.attnum = ANY (p.conkey), false) AS is_pk
FROM wanted w
LEFT JOIN attribute a ON a.ord = w.ord
LEFT JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
LEFT JOIN LATERAL (
  -- format_type names the schema of what is not on the search path.
  SELECT p.prefix, CASE WHEN starts_with(p.declared, p.prefix) THEN substr(p.declared, length(p.prefix) + 1) ELSE p.declared END AS bare
    FROM (SELECT quote_ident(n.nspname) || '.' AS prefix, pg_catalog.format_type(a.atttypid, a.atttypmod) AS declared
            FROM pg_catalog.pg_namespace n WHERE n.oid = t.typnamespace) p) f ON true
LEFT JOIN base b ON b.oid = a.atttypid
LEFT JOIN pg_catalog.pg_type e ON e.oid = b.typelem AND b.is_array
LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
LEFT JOIN pg_catalog.pg_constraint p ON p.conrelid = w.oid AND p.contype = 'p'
ORDER BY w.ord, a.attnum`;

/** As json_categorize_type() does it: the server's own types are written in their own way. */
function castsToJsonSql(type: string): string {
  return `${type}.oid >= 16384 AND EXISTS (
      SELECT FROM pg_catalog.pg_cast k
      WHERE k.castsource = ${type}.oid AND k.casttarget = 'pg_catalog.json'::regtype AND k.castmethod = 'f'
    )`;
}

function toTable(rows: readonly CatalogRow[]): CatalogTable | null {
  const [first] = rows;
  if (!first) return null;
  return {
    oid: first.table_oid,
    kind: first.relation_kind,
    parent: first.parent,
    hasInsertTrigger: first.has_insert_trigger,
    columns: rows.flatMap((row) => (row.name === null ? [] : [toColumn(row, row.name)])),
  };
}

function toColumn(row: CatalogRow, name: string): CatalogColumn {
  return {
    name,
    dbType: row.db_type,
    sqlType: row.sql_type,
    type: {
      oid: row.type_oid,
      name: row.type_name,
      kind: row.type_kind,
      isArray: row.is_array,
      castsToJson: row.type_casts,
    },
    elementType: toElementType(row),
    notNull: row.not_null,
    defaultSql: row.default_sql,
    generated: row.generated,
    identity: row.identity === 'a' ? 'always' : row.identity === 'd' ? 'by_default' : null,
    isPrimaryKey: row.is_pk,
  };
}

function toElementType(row: CatalogRow): CatalogType | null {
  if (row.element_oid === null || row.element_name === null) return null;
  return {
    oid: row.element_oid,
    name: row.element_name,
    kind: row.element_kind ?? 'b',
    isArray: false,
    castsToJson: row.element_casts,
  };
}
