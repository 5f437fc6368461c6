import { quoteLiteral, quoteRelation } from '../../common/identifiers.js';
import type { SyncRegistry } from '../../registry/sync-registry.js';

/**
 * An SQL scalar (text, no parameters, no locks, at home in a READ ONLY transaction) that changes whenever the
 * catalogs say something else about the registered tables (interleavings 25, hazard W-SCH-1), or the manifest about
 * versions: sync tables that are restored from a backup may know other ones (W-HOST-90). Written as a sub-select, so that
 * it can stand in the first statement of every request.
 *
 * Of the catalogs it hashes the row versions (xmin, ctid) of columns, defaults, keys, rules and user-defined types (with their
 * labels, which defaults are printed with, and their casts to JSON), under the
 * OIDs that the tables' names mean at the moment, so that a table that was dropped and made again is noticed. It
 * may change for nothing (VACUUM FULL of a catalog), which costs a reload and no more.
 */
export function schemaTokenSql(registry: SyncRegistry): string {
  const oids = registry
    .all()
    .map(({ schema, name }) => `pg_catalog.to_regclass(${quoteLiteral(quoteRelation(schema, name))})::oid`);
  return `concat_ws(' ', ${VERSIONS}${oids.length === 0 ? '' : `, ${catalogsOf(oids.join(', '))}`})`;
}

const VERSIONS = `(
  SELECT concat(m.schema_version, ' ', extract(epoch FROM m.created_at))
    FROM :sync.sync_schema_manifest AS m ORDER BY m.schema_version DESC LIMIT 1)`;

/**
 * Sub-selects over one array, and hashes that are added up: joins and `string_agg` over the row versions as text took
 * twice as long. Columns are the most numerous: their xmins are hashed as one array, which costs a fraction of a hash
 * for each.
 */
function catalogsOf(oids: string): string {
  return `(
  SELECT concat_ws(' ', hash_array_extended(w.oids, 0), c.xmins, c.ctids,
    (SELECT sum(hash_record_extended((d.oid, d.xmin, d.ctid), 1))
     FROM pg_catalog.pg_attrdef d WHERE d.adrelid = ANY (w.oids)),
    (SELECT sum(hash_record_extended((p.oid, p.xmin, p.ctid), 2))
     FROM pg_catalog.pg_constraint p WHERE p.conrelid = ANY (w.oids) AND p.contype IN ('p', 'u')),
    CASE WHEN c.types IS NOT NULL THEN (WITH RECURSIVE custom AS (
       SELECT t.oid, t.typbasetype, t.typelem, t.xmin, t.ctid FROM pg_catalog.pg_type t WHERE t.oid = ANY (c.types)
       UNION
       SELECT t.oid, t.typbasetype, t.typelem, t.xmin, t.ctid
       FROM custom JOIN pg_catalog.pg_type t ON t.oid IN (custom.typbasetype, custom.typelem) AND t.oid >= 16384
     ) SELECT concat_ws(' ', sum(hash_record_extended((oid, xmin, ctid), 3)),
         (SELECT sum(hash_record_extended((e.oid, e.xmin, e.ctid), 4))
          FROM pg_catalog.pg_enum e WHERE e.enumtypid IN (SELECT oid FROM custom)),
         (SELECT sum(hash_record_extended((k.oid, k.xmin, k.ctid), 5)) FROM pg_catalog.pg_cast k
           WHERE k.castsource IN (SELECT oid FROM custom) AND k.casttarget = 'pg_catalog.json'::regtype)) FROM custom) END,
    (SELECT sum(hash_record_extended((r.oid, r.xmin, r.ctid), 6))
     FROM pg_catalog.pg_rewrite r WHERE r.ev_class = ANY (w.oids)))
  FROM (SELECT ARRAY[${oids}] AS oids OFFSET 0) w
 CROSS JOIN LATERAL (
   SELECT hash_array_extended(array_agg(a.xmin), 0) AS xmins, sum(hashtidextended(a.ctid, a.attrelid::bigint)) AS ctids,
          array_agg(a.atttypid) FILTER (WHERE a.atttypid >= 16384) AS types
     FROM pg_catalog.pg_attribute a WHERE a.attrelid = ANY (w.oids) AND a.attnum > 0) AS c
)`;
}
