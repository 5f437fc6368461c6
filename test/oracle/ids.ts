/** An id as PostgreSQL names it: some devices write UUIDs in capitals. */
export function canonicalId(id: string): string {
  return id.toLowerCase();
}

/** A record's name, whatever its id is written like. */
export function rowKey(table: string, id: string): string {
  return `${table} ${canonicalId(id)}`;
}
