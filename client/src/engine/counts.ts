import { keyOf, type Meta } from '../records/record.js';
import type { State, Writes } from '../store/store.js';

/** Adds to writes the counts of `Meta` that hold after them. */
export function withCounts(meta: Meta, { entries, refused }: State, writes: Writes): Writes {
  const pending = sum((write) => Number(!!write.entry) - Number(entries.has(keyOf(write))), writes.entries);
  const kept = sum((write) => Number(!!write.refused) - Number(refused.has(write.key)), writes.refused);
  if (pending === 0 && kept === 0) return writes;
  const after = writes.meta ?? meta;
  return { ...writes, meta: { ...after, pending: after.pending + pending, refused: after.refused + kept } };
}

function sum<Write>(change: (write: Write) => number, writes: readonly Write[] = []): number {
  return writes.reduce((total, write) => total + change(write), 0);
}
