/** How the current buckets differ from those that are known; null when they don't. */
export function difference(
  known: readonly string[],
  current: readonly string[],
): { readonly added: readonly string[]; readonly removed: readonly string[] } | null {
  // Most often the one is what the other was stored from, and a user may have thousands.
  if (known.length === current.length && known.every((bucket, n) => bucket === current[n])) return null;
  const [before, now] = [new Set(known), new Set(current)];
  const added = current.filter((bucket) => !before.has(bucket));
  const removed = known.filter((bucket) => !now.has(bucket));
  return added.length + removed.length === 0 ? null : { added, removed };
}

/** The buckets to read for a client: those of its stored subscriptions that its user still has, and that don't wait to go. */
export function readBuckets(
  client: { readonly buckets: readonly string[]; readonly leaving: readonly string[] },
  current: readonly string[],
): readonly string[] {
  const [now, leaving] = [new Set(current), new Set(client.leaving)];
  return client.buckets.filter((bucket) => now.has(bucket) && !leaving.has(bucket));
}
