/** How the current buckets differ from those that are known; null when they don't. */
export function difference(
  known: readonly string[],
  current: readonly string[],
): { readonly added: readonly string[]; readonly removed: readonly string[] } | null {
  const added = current.filter((bucket) => !known.includes(bucket));
  const removed = known.filter((bucket) => !current.includes(bucket));
  return added.length + removed.length === 0 ? null : { added, removed };
}
