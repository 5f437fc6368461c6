import type { SqlRunner } from '../../database/session.js';
import type { CatalogColumn, CatalogTable, CatalogType, RelationKind } from './catalog-table.js';

/**
 * Reads all named relations in one statement. The answer has one entry for each name, in order; null where no
 * relation with rows has that name.
 *
 * Types are distinguished by OID and category, never by the shape of their names (hazard W-SCH-2). Timestamps among
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
  readonly write_rules: readonly string[];
  readonly unlogged_partitions: readonly string[];
  /** Null for a table without any column. */
  readonly name: string | null;
  readonly db_type: string;
  readonly sql_type: string;
  readonly base_sql_type: string;
  readonly type_oid: number;
  readonly type_name: string;
  readonly type_kind: string;
  readonly type_casts: boolean;
  readonly is_array: boolean;
  readonly type_delimiter: string;
  readonly collation_sql: string | null;
  readonly collation_deterministic: boolean;
  readonly collation_default: boolean;
  readonly element_oid: number | null;
  readonly element_name: string | null;
  readonly element_kind: string | null;
  readonly element_casts: boolean;
  readonly element_delimiter: string | null;
  readonly not_null: boolean;
  readonly may_hold_null: boolean;
  readonly default_sql: string | null;
  readonly generated: boolean;
  readonly identity: string;
  readonly is_pk: boolean;
  readonly is_unique: boolean;
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
    -- TRIGGER_TYPE_ROW, _BEFORE and _INSERT; neither DISABLEd nor for a REPLICA alone
    EXISTS (SELECT FROM pg_catalog.pg_trigger g
      WHERE g.tgrelid = c.oid AND NOT g.tgisinternal AND g.tgenabled IN ('O', 'A') AND g.tgtype & 7 = 7) AS has_insert_trigger,
    ARRAY(SELECT r.rulename::text FROM pg_catalog.pg_rewrite r
      WHERE r.ev_class = c.oid AND r.ev_type IN ('2', '3') AND r.is_instead AND r.ev_enabled IN ('O', 'A') ORDER BY 1) AS write_rules,
    ARRAY(SELECT l.oid::regclass::text FROM pg_catalog.pg_partition_tree(c.oid) t
        JOIN pg_catalog.pg_class l ON l.oid = t.relid
      WHERE c.relkind = 'p' AND t.isleaf AND (l.relpersistence <> 'p' OR l.relkind = 'f') ORDER BY 1) AS unlogged_partitions
  FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS w(schema_name, table_name, ord)
  JOIN pg_catalog.pg_namespace n ON n.nspname = w.schema_name
  JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = w.table_name
    AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
), attribute AS (
  SELECT w.ord, a.*
  FROM wanted w
  JOIN pg_catalog.pg_attribute a ON a.attrelid = w.oid AND a.attnum > 0 AND NOT a.attisdropped
), chain AS (
  SELECT DISTINCT atttypid AS oid, atttypid AS step, NULL::integer AS typmod, false AS not_null FROM attribute
  UNION ALL
  SELECT c.oid, t.typbasetype, t.typtypmod, c.not_null OR t.typnotnull
  FROM chain c JOIN pg_catalog.pg_type t ON t.oid = c.step AND t.typtype = 'd'
), base AS (
  SELECT c.oid, c.not_null, t.oid AS base_oid, t.typnamespace AS namespace, c.typmod, t.typname, t.typtype, t.typcategory = 'A' AS is_array, t.typelem,
     t.typdelim,
    ${castsToJsonSql('t')} AS casts
  FROM chain c JOIN pg_catalog.pg_type t ON t.oid = c.step AND t.typtype <> 'd'
)
SELECT w.ord::integer AS ord, w.oid::bigint::float8 AS table_oid, w.relation_kind, w.parent, w.has_insert_trigger,
  w.write_rules, w.unlogged_partitions,
  a.attname::text AS name,
  f.bare AS db_type, ${qualifiedTypeSql('f')} AS sql_type, ${qualifiedTypeSql('bf')} AS base_sql_type,
  b.base_oid::bigint::float8 AS type_oid, b.typname::text AS type_name, b.typtype::text AS type_kind,
  b.casts AS type_casts, b.is_array, b.typdelim::text AS type_delimiter,
  quote_ident(ln.nspname) || '.' || quote_ident(l.collname) AS collation_sql,
  coalesce(l.collisdeterministic, true) AS collation_deterministic,
  a.attcollation = 'pg_catalog."default"'::regcollation AS collation_default,
  e.oid::bigint::float8 AS element_oid, e.typname::text AS element_name, e.typtype::text AS element_kind,
  coalesce(${castsToJsonSql('e')}, false) AS element_casts, e.typdelim::text AS element_delimiter,
  a.attnotnull OR b.not_null AS not_null,
  a.attnotnull AND EXISTS (SELECT FROM pg_catalog.pg_constraint v
    WHERE v.conrelid = a.attrelid AND v.contype = 'n' AND v.conkey = ARRAY[a.attnum] AND NOT v.convalidated) AS may_hold_null,
  CASE WHEN a.attgenerated = '' THEN coalesce(
    pg_catalog.pg_get_expr(d.adbin, d.adrelid), pg_catalog.pg_get_expr(t.typdefaultbin, 0)
  ) END AS default_sql,
  a.attgenerated <> '' AS generated, a.attidentity::text AS identity,
  coalesce(a.attnum = ANY (p.conkey), false) AS is_pk,
  EXISTS (SELECT FROM pg_catalog.pg_index u
    WHERE u.indrelid = w.oid AND u.indisunique AND u.indisvalid AND u.indnkeyatts = 1 AND u.indkey[0] = a.attnum
      AND u.indpred IS NULL AND (u.indimmediate OR u.indisprimary)) AS is_unique
FROM wanted w
LEFT JOIN attribute a ON a.ord = w.ord
LEFT JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
LEFT JOIN LATERAL ${typeTextSql('t.typnamespace', 'a.atttypid', 'a.atttypmod')} f ON true
LEFT JOIN base b ON b.oid = a.atttypid
LEFT JOIN LATERAL ${typeTextSql('b.namespace', 'b.base_oid', 'coalesce(b.typmod, a.atttypmod)')} bf ON true
LEFT JOIN pg_catalog.pg_type e ON e.oid = b.typelem AND b.is_array
LEFT JOIN pg_catalog.pg_collation l ON l.oid = a.attcollation
LEFT JOIN pg_catalog.pg_namespace ln ON ln.oid = l.collnamespace
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
    writeRules: first.write_rules,
    unloggedPartitions: first.unlogged_partitions,
    columns: rows.flatMap((row) => (row.name === null ? [] : [toColumn(row, row.name)])),
  };
}

function toColumn(row: CatalogRow, name: string): CatalogColumn {
  return {
    name,
    dbType: row.db_type,
    sqlType: row.sql_type,
    baseSqlType: row.base_sql_type,
    type: {
      oid: row.type_oid,
      name: row.type_name,
      kind: row.type_kind,
      isArray: row.is_array,
      castsToJson: row.type_casts,
      delimiter: row.type_delimiter,
    },
    elementType: toElementType(row),
    collation:
      row.collation_sql === null
        ? null
        : {
            sql: row.collation_sql,
            isDeterministic: row.collation_deterministic,
            isDefault: row.collation_default,
          },
    notNull: row.not_null,
    mayHoldNull: row.may_hold_null,
    defaultSql: row.default_sql,
    generated: row.generated,
    identity: row.identity === 'a' ? 'always' : row.identity === 'd' ? 'by_default' : null,
    isPrimaryKey: row.is_pk,
    isUnique: row.is_unique,
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
    delimiter: row.element_delimiter ?? ',',
  };
}

/** A lateral subquery: the schema of a type with its dot, and its declaration without it. */
function typeTextSql(namespace: string, type: string, typmod: string): string {
  // format_type names the schema of what is not on the search path.
  return `(
  SELECT p.prefix, CASE WHEN starts_with(p.declared, p.prefix) THEN substr(p.declared, length(p.prefix) + 1) ELSE p.declared END AS bare
    FROM (SELECT quote_ident(n.nspname) || '.' AS prefix, pg_catalog.format_type(${type}, ${typmod}) AS declared
            FROM pg_catalog.pg_namespace n WHERE n.oid = ${namespace}) p)`;
}

/**
 * A type's text with its schema, where that is not PostgreSQL's own.
 * @param from the alias of a {@link typeTextSql}
 */
function qualifiedTypeSql(from: string): string {
  return `CASE WHEN ${from}.prefix = 'pg_catalog.' THEN ${from}.bare ELSE ${from}.prefix || ${from}.bare END`;
}
