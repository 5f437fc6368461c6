import type { SqlRunner } from '../../database/session.js';
import type { ContractColumn } from '../schema-contract.js';

/** A type of which a column is, or the elements of its arrays. */
export interface ElementKind {
  /** In the enum's order; null for a type that is none, or has no label. */
  readonly labels: readonly string[] | null;
  readonly isDomain: boolean;
}

/** An array's type, behind that of its elements. */
export const ELEMENT_OF = /(\[\])+$/;

/** Reads the types of columns, by their `baseSqlType` without the brackets of an array. */
export async function elementKinds(
  manager: SqlRunner,
  columns: readonly Pick<ContractColumn, 'baseSqlType'>[],
): Promise<ReadonlyMap<string, ElementKind>> {
  const names = new Set(columns.map(({ baseSqlType }) => baseSqlType.replace(ELEMENT_OF, '')));
  const rows: { name: string; is_domain: boolean; labels: string[] }[] = await manager.query(
    `SELECT n.name, t.typtype = 'd' AS is_domain,
       ARRAY(SELECT e.enumlabel::text FROM pg_catalog.pg_enum e WHERE e.enumtypid = t.oid ORDER BY e.enumsortorder) AS labels
     FROM unnest($1::text[]) AS n(name) JOIN pg_catalog.pg_type t ON t.oid = pg_catalog.to_regtype(n.name)`,
    [[...names]],
  );
  return new Map(
    rows.map(({ name, is_domain: isDomain, labels }) => [
      name,
      { isDomain, labels: labels.length === 0 ? null : labels },
    ]),
  );
}
