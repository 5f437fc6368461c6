import { quoteLiteral, quoteRelation } from '../common/identifiers.js';
import type { SyncRegistry } from '../registry/sync-registry.js';

/**
 * An SQL scalar (text, no parameters, no locks, at home in a READ ONLY transaction) that changes whenever the
 * catalogs say something else about the registered tables (interleavings 25, hazard W-SCH-1). Written as a
 * sub-select, so that it can stand in the first statement of every request.
 *
 * It hashes the row versions (xmin, ctid) of columns, defaults, primary keys and user-defined types, under the
 * OIDs that the tables' names mean at the moment, so that a table that was dropped and made again is noticed. It
 * may change for nothing (VACUUM FULL of a catalog), which costs a reload and no more.
 */
export function schemaTokenSql(registry: SyncRegistry): string {
  const oids = registry
    .all()
    .map(({ schema, name }) => `pg_catalog.to_regclass(${quoteLiteral(quoteRelation(schema, name))})::oid`);
  return oids.length === 0 ? `'empty'::text` : tokenOf(oids.join(', '));
}

/**
 * Sub-selects over one array, and hashes that are added up: joins and `string_agg` over the row versions as text took
 * twice as long (ten tables of ten columns: 1.5 ms, now 0.7, of which planning 0.4).
 */
function tokenOf(oids: string): string {
  return `(
  SELECT concat_ws(' ', hash_array_extended(w.oids, 0),
    (SELECT sum(hash_record_extended((a.attrelid, a.attnum, a.xmin, a.ctid), 0))
     FROM pg_catalog.pg_attribute a WHERE a.attrelid = ANY (w.oids) AND a.attnum > 0),
    (SELECT sum(hash_record_extended((d.oid, d.xmin, d.ctid), 1))
     FROM pg_catalog.pg_attrdef d WHERE d.adrelid = ANY (w.oids)),
    (SELECT sum(hash_record_extended((p.oid, p.xmin, p.ctid), 2))
     FROM pg_catalog.pg_constraint p WHERE p.conrelid = ANY (w.oids) AND p.contype = 'p'),
    (WITH RECURSIVE custom AS (
       SELECT t.oid, t.typbasetype, t.xmin, t.ctid FROM pg_catalog.pg_type t
       WHERE t.oid = ANY (ARRAY(
         SELECT a.atttypid FROM pg_catalog.pg_attribute a WHERE a.attrelid = ANY (w.oids) AND a.atttypid >= 16384))
       UNION
       SELECT t.oid, t.typbasetype, t.xmin, t.ctid
       FROM custom c JOIN pg_catalog.pg_type t ON t.oid = c.typbasetype AND t.oid >= 16384
     ) SELECT sum(hash_record_extended((oid, xmin, ctid), 3)) FROM custom)
  )
  FROM (SELECT ARRAY[${oids}] AS oids OFFSET 0) w
)`;
}
