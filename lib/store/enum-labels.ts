import type { ChangelogTransaction } from './changelog/changelog-transaction.js';
import type { SqlRunner } from '../database/session.js';

/** Maps enums' former labels to their present ones. */
export interface FormerLabels {
  readonly labels: ReadonlyMap<string, string>;
  /** The values are labels; else they may hold some, as a range or a composite does. */
  readonly areValues: boolean;
}

/**
 * Keeps the labels that enums have, so that a former one is known when a device comes back with it.
 * @param labels text by the OID of its row in pg_enum
 */
export async function rememberLabels(
  tx: ChangelogTransaction,
  labels: ReadonlyMap<string, string>,
): Promise<void> {
  if (labels.size === 0) return;
  await tx.query(
    `INSERT INTO :sync.sync_enum_labels (label_oid, type_name, label)
     SELECT l.oid, t.typname::text, l.label
       FROM unnest($1::oid[], $2::text[]) AS l (oid, label)
       JOIN pg_enum e ON e.oid = l.oid JOIN pg_type t ON t.oid = e.enumtypid
     ON CONFLICT DO NOTHING`,
    [[...labels.keys()], [...labels.values()]],
  );
}

/** A label of an enum, with the OID of its row in pg_enum. */
export interface EnumLabel {
  readonly oid: string;
  readonly type: string;
  readonly label: string;
}

/** The labels that are not kept yet, as the caller's snapshot of the catalogs has them. */
export async function unknownLabels(manager: SqlRunner): Promise<readonly EnumLabel[]> {
  return (await manager.query(
    `SELECT e.oid::text AS oid, t.typname::text AS type, e.enumlabel::text AS label
       FROM pg_catalog.pg_enum e JOIN pg_catalog.pg_type t ON t.oid = e.enumtypid
      WHERE NOT EXISTS (
        SELECT FROM :sync.sync_enum_labels s
         WHERE s.label_oid = e.oid AND s.type_name = t.typname::text AND s.label = e.enumlabel::text)`,
  )) as readonly EnumLabel[];
}

/** Keeps labels before a device can have read them: one may be renamed before the WAL consumer has seen it. */
export async function keepLabels(manager: SqlRunner, labels: readonly EnumLabel[]): Promise<void> {
  await manager.query(
    `INSERT INTO :sync.sync_enum_labels (label_oid, type_name, label)
     SELECT * FROM unnest($1::oid[], $2::text[], $3::text[]) ON CONFLICT DO NOTHING`,
    [labels.map(({ oid }) => oid), labels.map(({ type }) => type), labels.map(({ label }) => label)],
  );
}

/** The labels that were renamed, by the OID of their type. One that another label has now is that label. */
export async function renamedLabels(
  manager: SqlRunner,
): Promise<ReadonlyMap<number, FormerLabels['labels']>> {
  const rows: { type: number; former: string; label: string }[] = await manager.query(
    `SELECT e.enumtypid::bigint::float8 AS type, s.label AS former, e.enumlabel::text AS label
       FROM :sync.sync_enum_labels s
       JOIN pg_catalog.pg_enum e ON e.oid = s.label_oid AND e.enumlabel <> s.label
       JOIN pg_catalog.pg_type t ON t.oid = e.enumtypid AND t.typname = s.type_name
      WHERE NOT EXISTS (
        SELECT FROM pg_catalog.pg_enum x WHERE x.enumtypid = e.enumtypid AND x.enumlabel = s.label)`,
  );
  const byType = new Map<number, Map<string, string>>();
  for (const { type, former, label } of rows) {
    const labels = byType.get(type) ?? new Map<string, string>();
    byType.set(type, labels.set(former, label));
  }
  return byType;
}
