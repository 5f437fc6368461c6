/** A row as pull, snapshot and conflict answers carry it. */
export interface WireRecord {
  readonly id: string;
  readonly table: string;
  /** JSON text as PostgreSQL wrote it: spliced into the answer, never parsed. */
  readonly data: string;
  /** RFC 3339 in UTC. */
  readonly updatedAt: string;
  readonly deletedAt: string | null;
}

/** The record as JSON text, keys in the contract's order. */
export function recordJson(record: WireRecord): string {
  const deleted = record.deletedAt === null ? '' : `,"deleted_at":${JSON.stringify(record.deletedAt)}`;
  return (
    `{"id":${JSON.stringify(record.id)},"table_name":${JSON.stringify(record.table)},"data":${record.data}` +
    `,"updated_at":${JSON.stringify(record.updatedAt)}${deleted}}`
  );
}
