import { Logger } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import type { SyncRegistry } from '../../registry/sync-registry.js';
import type { ConflictResolver } from '../../resolvers/conflict-resolver.js';
import { describeFailure, type Failure, failureVerdict, refused } from './failures.js';
import { Judge, notOwned, serverTimes, type Write } from './judge.js';
import type { PushContext, PushItem, PushResult, StoredRow } from './push-change.js';
import { PushRows } from './push-rows.js';
import { type Outcome, writeRun } from './run-writer.js';
import { applied, terminal } from './verdicts.js';
import { type PushRank, pushRank, type Run, runs, waves } from './waves.js';
import { repairTime } from './repair-time.js';
import { needsRepair } from './writable-columns.js';

/** One push at work: the rows it has locked, the verdicts it has given, the changes it will try once more. */
export class PushRun {
  private readonly logger = new Logger('SynchroPush');
  private readonly rows: PushRows;
  private readonly judge: Judge;
  private readonly rank: PushRank;
  private readonly verdicts = new Map<number, PushResult>();
  private readonly failures = new Map<PushItem, Failure>();
  private readonly failedKeys = new Set<string>();

  constructor(
    private readonly manager: EntityManager,
    private readonly registry: SyncRegistry,
    resolver: ConflictResolver,
    private readonly context: PushContext,
  ) {
    this.rows = new PushRows(manager, registry, context);
    this.judge = new Judge(resolver, context);
    this.rank = pushRank(registry);
  }

  /** @returns a verdict for each item, by its index */
  async apply(items: readonly PushItem[]): Promise<ReadonlyMap<number, PushResult>> {
    await this.rows.load(items);
    for (const wave of waves(items)) await this.process(wave);
    await this.retry();
    await this.giveUp();
    return this.verdicts;
  }

  /** Tells the host of the conflicts that there were. */
  async tellConflicts(): Promise<void> {
    for (const { conflict, resolution } of this.judge.conflicts()) {
      await this.context.onConflict?.(conflict, resolution);
    }
  }

  /** Judges and writes changes of different records. */
  private async process(items: readonly PushItem[]): Promise<void> {
    let open = this.withoutBlocked(items);
    while (open.length > 0) {
      const taken: PushItem[] = [];
      for (const run of runs(await this.decide(open), this.rank)) {
        for (const outcome of await this.write(run)) {
          if (outcome.kind === 'passed' && outcome.write.kind === 'insert') taken.push(outcome.write.item);
          else this.settle(outcome);
        }
      }
      open = await this.findTaken(taken);
    }
  }

  private async decide(items: readonly PushItem[]): Promise<readonly Write[]> {
    const writes: Write[] = [];
    for (const item of items) {
      const decision = await this.judge.decide(this.onOwnVersion(item), this.rows.get(item));
      if ('kind' in decision) writes.push(decision);
      else this.verdicts.set(item.index, decision);
    }
    return writes;
  }

  /** What the same push wrote before is what the device's next change of the record builds on. */
  private onOwnVersion(item: PushItem): PushItem {
    const row = this.rows.get(item);
    return row && this.rows.isOwnVersion(item) ? { ...item, base: row.updatedAt } : item;
  }

  private async write(run: Run): Promise<readonly Outcome[]> {
    const [first, ...rest] = run.filter((write) => this.mayWrite(write));
    return first ? writeRun(this.manager, this.registry, this.context.userId, [first, ...rest]) : [];
  }

  /** A child is only written under a parent that is locked, so that it stays the user's (interleavings 11). */
  private mayWrite({ item, kind }: Write): boolean {
    const { table } = item.table;
    if (kind !== 'insert' || table.parent === null || this.rows.hasParent(item)) return true;
    const fk = table.parentFkColumn === null ? null : item.data?.get(table.parentFkColumn);
    if (table.ownerColumn !== null && (fk === null || fk === undefined)) return true;
    this.fail(item, { kind: 'parent_missing' });
    return false;
  }

  private settle(outcome: Outcome): void {
    const { item } = outcome.write;
    if (outcome.kind === 'failed') {
      this.fail(item, { kind: 'sql', error: outcome.error, write: outcome.write });
      return;
    }
    // The row is locked and the user's, so a policy or a trigger of the host's has refused.
    const isWritten = outcome.kind === 'written';
    this.verdicts.set(item.index, isWritten ? written(outcome) : refused(item, this.rows.get(item)));
    if (isWritten) this.rows.put(item, outcome.row);
  }

  /** Creates whose key was taken meanwhile are judged again, by the row that has it (W-PUSH-10). */
  private async findTaken(items: readonly PushItem[]): Promise<readonly PushItem[]> {
    await this.rows.load(items);
    return items.filter((item) => {
      if (this.rows.get(item)) return true;
      // Another user's: nothing is told of it (W-PUSH-5).
      this.verdicts.set(item.index, terminal(item.echo, 'ownership_violation', 'record id is not available'));
      return false;
    });
  }

  private fail(item: PushItem, failure: Failure): void {
    this.failures.set(item, failure);
    this.failedKeys.add(item.key);
  }

  /** What follows a change that is to be tried again waits with it. */
  private withoutBlocked(items: readonly PushItem[]): readonly PushItem[] {
    return items.filter((item) => {
      const isBlocked = this.failedKeys.has(item.key);
      if (isBlocked) this.fail(item, { kind: 'blocked' });
      return !isBlocked;
    });
  }

  /**
   * What failed is tried once more, now that all else is written: in the order of arrival, where a rename may free
   * a name (interleavings 16), then parents first, where a chain of references arrived backwards.
   */
  private async retry(): Promise<void> {
    await this.rows.load([...this.failures.keys()]);
    const byRank: Order = (a, b) => this.rank(a) - this.rank(b) || byArrival(a, b);
    for (const order of [byArrival, byRank]) {
      const items = [...this.failures.keys()].toSorted(order);
      this.failures.clear();
      this.failedKeys.clear();
      for (const item of items) await this.process([item]);
      if (this.failures.size === items.length) return;
    }
  }

  private async giveUp(): Promise<void> {
    const foreign = await this.rows.withForeignParent(
      [...this.failures].filter(([, { kind }]) => kind === 'parent_missing').map(([item]) => item),
    );
    this.log();
    for (const [item, failure] of this.failures) {
      const row = this.rows.get(item);
      this.verdicts.set(
        item.index,
        foreign.has(item) ? notOwned(item, row) : failureVerdict(item, failure, row),
      );
    }
  }

  /** One line for each push: a device may send thousands of bad changes. */
  private log(): void {
    const [first] = this.failures;
    if (!first) return;
    const { userId, clientId } = this.context;
    this.logger.warn(
      `rejected ${this.failures.size} changes of user ${userId} (client ${clientId}), first: ${describeFailure(...first)}`,
    );
  }
}

type Order = (a: PushItem, b: PushItem) => number;

const byArrival: Order = (a, b) => a.index - b.index;

function written({
  write: { item, kind },
  row,
}: {
  readonly write: Write;
  readonly row: StoredRow;
}): PushResult {
  if (kind === 'delete') {
    return applied(item.echo, {
      ...serverTimes(row),
      ...(row.deletedAt === null ? {} : { server_deleted_at: row.deletedAt }),
    });
  }
  const isStale = item.data !== null && needsRepair(item.table, item.data, row, kind === 'insert');
  return applied(item.echo, isStale ? repairTime(row) : serverTimes(row));
}
