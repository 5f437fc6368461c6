/** A boolean SQL expression: is this type's OID that of `char(n)`, or of a domain over it? */
export function isPaddedSql(type: string): string {
  return `(${type} = ${BPCHAR} OR ${type} >= 16384 AND (
    WITH RECURSIVE base AS (
      SELECT ${type} AS oid UNION ALL
      SELECT b.typbasetype FROM base JOIN pg_type b ON b.oid = base.oid AND b.typtype = 'd'
    ) SELECT bool_or(oid = ${BPCHAR}) FROM base))`;
}

/** OID of `char(n)`. */
export const BPCHAR = 1042;
