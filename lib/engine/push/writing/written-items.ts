import type { SyncRegistry } from '../../../registry/sync-registry.js';
import { isRemoval, type PushItem, type PushResult } from '../push-change.js';
import type { Written } from './group-writer.js';
import { isGivenAway } from './written.js';

/** The changes of one push that are written. */
export class WrittenItems {
  /** The changes whose rows are as they wanted them, in the order of writing. */
  readonly accepted: PushItem[] = [];
  /** Rows that were written, and are not the user's any more. */
  readonly givenAway: PushItem[] = [];
  /** Those of them that are new: their user's device has them, and gets no entry for them. */
  readonly madeForOthers: PushItem[] = [];
  private readonly inserted: PushItem[] = [];

  constructor(private readonly registry: SyncRegistry) {}

  /** Whether rows were inserted that parked changes may have waited for. */
  get hasInserted(): boolean {
    return this.inserted.length > 0;
  }

  /** Those rows, once. */
  takeInserted(): readonly PushItem[] {
    return this.inserted.splice(0);
  }

  add(outcome: Written): void {
    const { item, kind } = outcome.write;
    if (isGivenAway(outcome)) this.givenAway.push(item);
    if (isGivenAway(outcome) && kind === 'insert') this.madeForOthers.push(item);
    if (kind === 'insert' && this.registry.children(item.table.table.name).length > 0)
      this.inserted.push(item);
  }

  /** Hooks get no delete of a record that did not exist. */
  conclude(item: PushItem, { accepted, reason_code: reason }: PushResult): void {
    if (accepted && !(reason === 'already_deleted' && isRemoval(item))) this.accepted.push(item);
  }
}
