/** An index of connections by bucket. */
export class BucketIndex<Member> {
  private readonly members = new Map<string, Set<Member>>();
  private readonly buckets = new Map<Member, ReadonlySet<string>>();

  /** Every member, in the order of its first `set`. */
  all(): Iterable<Member> {
    return this.buckets.keys();
  }

  /** @returns whether the member's buckets have changed */
  set(member: Member, buckets: readonly string[]): boolean {
    const before = this.buckets.get(member);
    const after = new Set(buckets);
    if (before && before.size === after.size && [...after].every((bucket) => before.has(bucket)))
      return false;
    this.buckets.set(member, after);
    for (const bucket of before ?? []) if (!after.has(bucket)) this.leave(bucket, member);
    for (const bucket of after) if (before?.has(bucket) !== true) this.join(bucket, member);
    return true;
  }

  delete(member: Member): void {
    for (const bucket of this.buckets.get(member) ?? []) this.leave(bucket, member);
    this.buckets.delete(member);
  }

  of(bucket: string): ReadonlySet<Member> {
    return this.members.get(bucket) ?? NOBODY;
  }

  /** The number of members, and of buckets that any of them listens to. */
  get size(): { readonly members: number; readonly buckets: number } {
    return { members: this.buckets.size, buckets: this.members.size };
  }

  private join(bucket: string, member: Member): void {
    const members = this.members.get(bucket);
    if (members) members.add(member);
    else this.members.set(bucket, new Set([member]));
  }

  private leave(bucket: string, member: Member): void {
    const members = this.members.get(bucket);
    members?.delete(member);
    if (members?.size === 0) this.members.delete(bucket);
  }
}

const NOBODY: ReadonlySet<never> = new Set<never>();
