/**
 * The greatest lengths, in bytes of UTF-8, of texts in the indexes of the sync tables. A btree entry has 2,704 at
 * most, which the columns of an index share: record, table (63) and bucket of an edge; user, table and record of a
 * parked row; user and client id (255 characters) of a device. Longer texts can't be synced: a push is refused, and a
 * row of the host's becomes a rule failure. PostgreSQL compresses long keys, so its own limit depends on their
 * content.
 */
export const TEXT_LIMITS = {
  /** A record's id, and a parent's. */
  recordId: 1_024,
  /** A bucket: a user id with room for a prefix. */
  bucket: 1_280,
  userId: 1_024,
} as const;

/** The text's bytes in UTF-8, if they are more than so many; else null. Most texts are not counted. */
export function bytesAbove(limit: number, text: string): number | null {
  if (text.length * 3 <= limit) return null;
  const bytes = Buffer.byteLength(text);
  return bytes > limit ? bytes : null;
}
