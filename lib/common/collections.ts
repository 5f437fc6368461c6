/** The value of a key, made and stored when it isn't there. */
export function upsert<Key, Value>(map: Map<Key, Value>, key: Key, make: () => Value): Value {
  let value = map.get(key);
  if (value === undefined) {
    value = make();
    map.set(key, value);
  }
  return value;
}

/** Items by a key of theirs, in their order. (`Map.groupBy` is younger than Node 20.) */
export function groupBy<Key, Item>(
  items: Iterable<Item>,
  keyOf: (item: Item) => Key,
): Map<Key, [Item, ...Item[]]> {
  const groups = new Map<Key, [Item, ...Item[]]>();
  for (const item of items) {
    const group = groups.get(keyOf(item));
    if (group) group.push(item);
    else groups.set(keyOf(item), [item]);
  }
  return groups;
}

/** Those that meet a condition, and the others, each in their order. */
export function partition<Item>(
  items: readonly Item[],
  condition: (item: Item) => boolean,
): readonly [readonly Item[], readonly Item[]] {
  const groups = groupBy(items, condition);
  return [groups.get(true) ?? [], groups.get(false) ?? []];
}

/** Pieces of at most so many items, in their order. */
export function chunks<Item>(items: readonly Item[], size: number): readonly (readonly Item[])[] {
  const pieces = Math.ceil(items.length / size);
  return Array.from({ length: pieces }, (_, piece) => items.slice(piece * size, (piece + 1) * size));
}
