import { keyOf, type Meta } from '../records/record.js';
import type { State, Writes } from '../store/store.js';

/** Adds to writes the counts of `Meta` that hold after them. */
export function withCounts(meta: Meta, { entries, refused }: State, writes: Writes): Writes {
  const pending = change(entries, new Map(writes.entries?.map((write) => [keyOf(write), write.entry])));
  const kept = change(refused, new Map(writes.refused?.map((write) => [write.key, write.refused])));
  if (pending === 0 && kept === 0) return writes;
  const after = writes.meta ?? meta;
  return { ...writes, meta: { ...after, pending: after.pending + pending, refused: after.refused + kept } };
}

/** @param after By key, the last write to each: an answer may have a record twice. */
function change(before: ReadonlyMap<string, unknown>, after: ReadonlyMap<string, unknown>): number {
  return [...after].reduce((sum, [key, value]) => sum + Number(value !== null) - Number(before.has(key)), 0);
}
