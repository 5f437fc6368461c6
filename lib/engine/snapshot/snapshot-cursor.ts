/**
 * Where a snapshot goes on. Devices echo it without looking into it: `{checkpoint, table_idx, after_id}` are the
 * names that the SDKs know, and `after_id` carries what matters here. Tables are named, not numbered, so that a
 * deploy between two pages doesn't skip or repeat one (hazard W-SNAP-5).
 */
export interface SnapshotCursor {
  /** Fixed by the first page. */
  readonly checkpoint: bigint;
  readonly table: string;
  /** Records up to here have been sent; empty at the table's beginning. */
  readonly afterId: string;
}

export function encodeAfterId(cursor: SnapshotCursor): string {
  return Buffer.from(JSON.stringify([cursor.table, cursor.afterId])).toString('base64url');
}

/** @returns null for what this server can't have issued: the snapshot then starts over */
export function decodeCursor(checkpoint: bigint, afterId: string): SnapshotCursor | null {
  try {
    const parsed: unknown = JSON.parse(Buffer.from(afterId, 'base64url').toString('utf8'));
    if (!Array.isArray(parsed) || parsed.length !== 2) return null;
    const [table, id] = parsed as unknown[];
    if (typeof table !== 'string' || typeof id !== 'string' || id.includes('\0')) return null;
    return { checkpoint, table, afterId: id };
  } catch {
    return null;
  }
}
