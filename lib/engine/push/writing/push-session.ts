import type { SyncLogger } from '../../../common/sync-logger.js';
import type { ConflictEvent } from '../../../settings/hook-events.js';
import { ChangeProcessing, type PushState, type PushTools } from './change-processing.js';
import type { ChangeTries } from '../failures/change-tries.js';
import type { Pushed } from '../corrections.js';
import { FailedChanges } from '../failures/failed-changes.js';
import { FailureBudget } from '../failures/failure-budget.js';
import { describeFailure, type Failure } from '../failures/failures.js';
import { finalVerdicts } from '../failures/final-verdicts.js';
import { closures, clusters } from './closures.js';
import { hiddenRows } from '../sql/hidden-rows.js';
import type { Write } from './judge.js';
import type { PushItem, PushResult } from '../push-change.js';
import { PushRows } from '../sql/push-rows.js';
import { applied } from '../verdicts.js';
import { pushRank, writeGroups, rounds } from './write-groups.js';

/** One push at work: the rows it has locked, the verdicts it has given, the changes it will try once more. */
export class PushSession {
  private readonly state: PushState;
  private readonly processing: ChangeProcessing;
  private readonly byRank: Order;
  private hidden: readonly PushItem[] = [];

  constructor(
    private readonly tools: PushTools,
    private readonly tries: ChangeTries,
    private readonly logger: SyncLogger,
  ) {
    const { roles, registry, context } = tools;
    const rank = pushRank(registry);
    this.byRank = (a, b) => rank(a) - rank(b) || byArrival(a, b);
    this.state = {
      rows: new PushRows(roles, registry, context),
      failed: new FailedChanges(),
      budget: new FailureBudget(),
      rank,
    };
    this.processing = new ChangeProcessing(tools, this.state);
  }

  /** @returns a verdict for each item, by its index */
  async apply(items: readonly PushItem[]): Promise<ReadonlyMap<number, PushResult>> {
    const { processing, state } = this;
    const { parking } = this.tools;
    const isUnseen = this.mayAllBeNew(items);
    if (!isUnseen) await state.rows.load(items);
    const resumed = await parking.resume(items, state.rows);
    for (const item of resumed.deletes) processing.verdicts.set(item.index, applied(item.ref));
    for (const round of rounds(resumed.items)) await processing.process(round);
    if (isUnseen) await this.lookUp([...state.failed.all.keys()]);
    do {
      await this.release();
      await this.retry();
    } while (processing.written.hasInserted || (await this.writeTogether()));
    await this.giveUp();
    await parking.finish();
    const { roles, registry, context } = this.tools;
    this.hidden = await hiddenRows(roles.host, registry, context, items, processing.verdicts);
    return processing.verdicts;
  }

  /** The true conflicts that there were. */
  conflicts(): readonly ConflictEvent[] {
    return this.tools.judge.conflicts();
  }

  /** The changes whose rows are as they wanted them, in the order of writing. */
  accepted(): readonly PushItem[] {
    return this.processing.written.accepted;
  }

  /** Differences between devices and server that no verdict corrects. */
  unrepaired(): Pick<Pushed, 'unwritten' | 'hidden'> {
    return {
      unwritten: [
        ...this.tools.judge.unwritten,
        ...this.tools.parking.moved,
        ...this.processing.written.givenAway,
      ],
      hidden: [...this.hidden, ...this.processing.written.madeForOthers],
    };
  }

  /**
   * Whether to write without a look first: nothing but creates, about which nobody needs to be asked. A create whose
   * record is there is passed over by the statement that writes, and judged by its row then.
   */
  private mayAllBeNew(items: readonly PushItem[]): boolean {
    const { context, judge, parking, permissions, validation } = this.tools;
    if (context.isRerun === true || parking.isUsed || validation.isAsked) return false;
    return items.every(
      (item) =>
        item.table.table.parent === null &&
        judge.mayInsert(item) &&
        permissions.isDecided({ item, granted: null }),
    );
  }

  /** Judges creates that failed by the rows that are there after all. */
  private async lookUp(items: readonly PushItem[]): Promise<void> {
    const { rows, failed } = this.state;
    await rows.load(items);
    const there = items.filter((item) => rows.get(item) !== undefined);
    failed.take(there);
    for (const round of rounds(there)) await this.processing.process(round);
  }

  /** Writes what was parked under the rows that this push has inserted. */
  private async release(): Promise<void> {
    const items = await this.tools.parking.release(this.processing.written.takeInserted());
    await this.state.rows.load(items);
    await this.processing.process(items);
  }

  /**
   * Tries failed changes once more, now that all else is written: in the order of arrival, where a rename may free a
   * name (interleavings 16), then parents first, where a chain of references arrived backwards.
   */
  private async retry(): Promise<void> {
    // Under the lock, the read that follows shows for sure that a parent does not exist.
    if (this.state.failed.has('parent_missing')) await this.tools.parking.lock();
    await this.state.rows.load(this.state.failed.open);
    const { budget } = this.state;
    for (const order of [byArrival, this.byRank]) {
      const items = this.state.failed.open.toSorted(order);
      this.state.failed.take(items);
      budget.restart();
      for (const [index, item] of items.entries()) {
        if (index > 0 && budget.triesNoMore) this.state.failed.add(item, { kind: 'postponed' });
        else await this.processing.process([item]);
      }
      if (this.state.failed.open.length === items.length) return;
    }
  }

  /**
   * Writes that fail alone may hold together with others, where constraints are deferred (interleavings 18).
   * @returns whether some were written, so that others may be tried again
   */
  private async writeTogether(): Promise<boolean> {
    const { failed, budget, rows } = this.state;
    const tried = new Set<PushItem>();
    let hasWritten = false;
    budget.restart();
    for (const writes of closures(failed.writes, rows)) {
      if (tried.size > 0 && budget.triesNoMore) break;
      for (const { item } of writes) tried.add(item);
      if (await this.writeAll(writes)) hasWritten = true;
    }
    if (!budget.triesNoMore) {
      for (const writes of clusters(failed.refusedWrites)) if (await this.writeAll(writes)) hasWritten = true;
      return hasWritten;
    }
    // What there was no time for is not refused.
    for (const { item } of closures(failed.writes, rows).flat())
      if (!tried.has(item)) failed.add(item, { kind: 'postponed' });
    return hasWritten;
  }

  private async writeAll(writes: readonly Write[]): Promise<boolean> {
    const { failed, rank } = this.state;
    const { writer } = this.processing;
    if (!writes.every(({ item }) => failed.all.has(item))) return false;
    if (!writes.every((write) => this.tools.permissions.isDecided(write))) return false;
    const outcomes =
      (await writer.writeTogether(writeGroups(writes, rank))) ??
      (await writer.writeTogether(writes.map((write) => [write])));
    if (!outcomes) return false;
    failed.take(outcomes.map(({ write }) => write.item));
    for (const outcome of outcomes) this.processing.keep(outcome);
    return true;
  }

  /** Gives each change that failed its verdict. */
  private async giveUp(): Promise<void> {
    const { byRank, tries } = this;
    const { rows, failed } = this.state;
    const { parking, roles } = this.tools;
    const state = { host: roles.host, rows, parking, byRank, tries };
    const { verdicts, rejected } = await finalVerdicts(failed.all, state);
    for (const [item, verdict] of verdicts) this.processing.verdicts.set(item.index, verdict);
    this.log(rejected);
    this.logUnreadable();
  }

  /** A host that hands rows to people has to know why they don't arrive. */
  private logUnreadable(): void {
    const [first] = this.processing.unreadable;
    if (!first) return;
    const { userId, clientId } = this.tools.context;
    this.logger.warn(
      'changes were rejected that would have put rows into buckets which their user does not read (see writeBuckets of @SyncTable)',
      { count: this.processing.unreadable.length, table: first.table.table.name, userId, clientId },
    );
  }

  /** One line for each push: a device may send thousands of bad changes. */
  private log(rejected: ReadonlyMap<PushItem, Failure>): void {
    const [first] = rejected;
    if (!first) return;
    const { userId, clientId } = this.tools.context;
    this.logger.warn('rejected changes', {
      count: rejected.size,
      userId,
      clientId,
      first: describeFailure(...first),
    });
  }
}

type Order = (a: PushItem, b: PushItem) => number;

const byArrival: Order = (a, b) => a.index - b.index;
