import type { SyncRegistry } from '../../../registry/sync-registry.js';
import { groupBy } from '../../../common/collections.js';
import type { Write } from './judge.js';
import type { PushItem } from '../push-change.js';

/** The n-th change of one record is in the n-th round (interleavings 15). */
export function rounds(items: readonly PushItem[]): readonly (readonly PushItem[])[] {
  const seen = new Map<string, number>();
  const result: PushItem[][] = [];
  for (const item of items) {
    const round = seen.get(item.key) ?? 0;
    seen.set(item.key, round + 1);
    (result[round] ??= []).push(item);
  }
  return result;
}

/** Writes of one statement: the same table, kind, columns and grant, in the order of their arrival. */
export type WriteGroup = readonly [Write, ...Write[]];

/** Groups writes by statement: creates with parents first, then updates, then deletes with children first (W-PUSH-14). */
export function writeGroups(writes: readonly Write[], rank: PushRank): readonly WriteGroup[] {
  const groups = groupBy(writes, ({ item, kind, columns, granted }) =>
    JSON.stringify([
      item.table.table.name,
      kind,
      columns.map(({ name }) => name),
      granted && [granted.owner],
    ]),
  );
  return [...groups.values()].filter(isWriteGroup).toSorted(([a], [b]) => {
    const byKind = KIND_ORDER[a.kind] - KIND_ORDER[b.kind];
    return byKind || (a.kind === 'delete' ? rank(b.item) - rank(a.item) : rank(a.item) - rank(b.item));
  });
}

/** Where a change's table stands among all tables. */
export type PushRank = (item: PushItem) => number;

/** Every parent before its children; among tables of the same depth, each after those that it depends on. */
export function pushRank(registry: SyncRegistry): PushRank {
  const tables = registry.all().length + 1;
  const steps = new Map<string, number>();
  const stepOf = (name: string): number => {
    const known = steps.get(name);
    if (known !== undefined) return known;
    // Dependencies, unlike parents, may form a cycle: it is cut where it closes.
    steps.set(name, 0);
    const step = Math.max(-1, ...(registry.find(name)?.dependencies ?? []).map(stepOf)) + 1;
    steps.set(name, step);
    return step;
  };
  return ({ table: { table } }) => table.depth * tables + stepOf(table.name);
}

const KIND_ORDER = { insert: 0, update: 1, undelete: 1, delete: 2 } as const;

/** A group has at least one write. */
export function isWriteGroup(writes: readonly Write[]): writes is WriteGroup {
  return writes.length > 0;
}
