import { Injectable } from '@nestjs/common';
import { UserSubscriptionResolver } from 'nestjs-synchro';

/** The default; the users `crowd-<n>` read the bucket of `crowd`, too; and the user `reads-<n>` reads the buckets of the users `of-<n>-0` to `of-<n>-<n - 1>`. */
@Injectable()
export class ReaderSubscriptions extends UserSubscriptionResolver {
  private readonly known = new Map<string, readonly string[]>();

  override resolveSubscriptions(userId: string): readonly string[] {
    if (userId.startsWith('crowd-')) return [...super.resolveSubscriptions(userId), 'user:crowd'];
    const [, count] = /^reads-(\d+)$/.exec(userId) ?? [];
    if (count === undefined) return super.resolveSubscriptions(userId);
    let buckets = this.known.get(userId);
    if (buckets === undefined) {
      buckets = Array.from({ length: Number(count) }, (_, n) => `user:of-${count}-${n}`);
      this.known.set(userId, buckets);
    }
    return buckets;
  }
}
