import { keyOf, type Meta } from '../records/record.js';
import type { State, Writes } from '../store/store.js';

/** Writes with the counts of `Meta` as they are after them. */
export function withCounts(meta: Meta, { entries, refused }: State, writes: Writes): Writes {
  const pending = delta(
    (writes.entries ?? []).map((write) => ({
      isThere: write.entry !== null,
      wasThere: entries.has(keyOf(write)),
    })),
  );
  const kept = delta(
    (writes.refused ?? []).map((write) => ({
      isThere: write.refused !== null,
      wasThere: refused.has(write.key),
    })),
  );
  if (pending === 0 && kept === 0) return writes;
  const after = writes.meta ?? meta;
  return { ...writes, meta: { ...after, pending: after.pending + pending, refused: after.refused + kept } };
}

function delta(list: readonly { readonly isThere: boolean; readonly wasThere: boolean }[]): number {
  return list.reduce((sum, { isThere, wasThere }) => sum + Number(isThere) - Number(wasThere), 0);
}
