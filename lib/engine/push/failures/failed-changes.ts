import { type Failure, mayPass } from './failures.js';
import type { Write } from '../writing/judge.js';
import type { PushItem } from '../push-change.js';

/** The changes of one push that could not be written so far, and why. */
export class FailedChanges {
  private readonly failures = new Map<PushItem, Failure>();
  private readonly keys = new Set<string>();

  get all(): ReadonlyMap<PushItem, Failure> {
    return this.failures;
  }

  /** Those that may yet be written. */
  get open(): readonly PushItem[] {
    return [...this.failures].flatMap(([item, failure]) => (mayPass(failure) ? item : []));
  }

  /** The writes of those that head the changes of their record. */
  get writes(): readonly Write[] {
    return [...this.failures.values()].flatMap((failure) =>
      mayPass(failure) && 'write' in failure ? failure.write : [],
    );
  }

  /** Those of them that failed in SQL, and not for want of a parent. */
  get refusedWrites(): readonly Write[] {
    return this.writes.filter(({ item }) => this.failures.get(item)?.kind === 'sql');
  }

  has(kind: Failure['kind']): boolean {
    return [...this.failures.values()].some((failure) => failure.kind === kind);
  }

  add(item: PushItem, failure: Failure): void {
    this.failures.set(item, failure);
    this.keys.add(item.key);
  }

  /** Later changes of a record wait with the one that failed. */
  withoutBlocked(items: readonly PushItem[]): readonly PushItem[] {
    return items.filter((item) => {
      const isBlocked = this.keys.has(item.key);
      if (isBlocked) this.add(item, { kind: 'blocked' });
      return !isBlocked;
    });
  }

  /** Takes changes out, to try them again. */
  take(items: readonly PushItem[]): void {
    for (const item of items) this.failures.delete(item);
    this.keys.clear();
    for (const { key } of this.failures.keys()) this.keys.add(key);
  }
}
