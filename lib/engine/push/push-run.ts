import type { SyncLogger } from '../../common/sync-logger.js';
import type { ConflictEvent } from '../../hooks/hook-events.js';
import type { SyncRegistry } from '../../registry/sync-registry.js';
import type { RoleSwitch } from '../../store/role-switch.js';
import { describeFailure, type Failure, refused } from './failures.js';
import { finalVerdicts } from './final-verdicts.js';
import { type Judge, serverTimes, takenAsSent, type Write } from './judge.js';
import type { Parking } from './parking.js';
import type { PushContext, PushItem, PushResult, StoredRow } from './push-change.js';
import { PushRows } from './push-rows.js';
import { notReadable, writeReadable } from './readable-buckets.js';
import { type Outcome, writeRun } from './run-writer.js';
import { findRetries } from './retries.js';
import { applied, terminal } from './verdicts.js';
import { type PushRank, pushRank, type Run, runs, waves } from './waves.js';
import type { WriteValidation } from './write-validation.js';

/** One push at work: the rows it has locked, the verdicts it has given, the changes it will try once more. */
export class PushRun {
  private readonly rows: PushRows;
  private readonly rank: PushRank;
  private readonly byRank: Order;
  private readonly verdicts = new Map<number, PushResult>();
  private readonly failures = new Map<PushItem, Failure>();
  private readonly failedKeys = new Set<string>();
  /** Rows that were inserted, and may have been waited for. */
  private inserted: PushItem[] = [];
  private readonly done: PushItem[] = [];

  constructor(
    private readonly roles: RoleSwitch,
    private readonly registry: SyncRegistry,
    private readonly judge: Judge,
    private readonly context: PushContext,
    private readonly parking: Parking,
    private readonly validation: WriteValidation,
    private readonly logger: SyncLogger,
  ) {
    this.rows = new PushRows(roles, registry, context);
    const rank = pushRank(registry);
    this.rank = rank;
    this.byRank = (a, b) => rank(a) - rank(b) || byArrival(a, b);
  }

  /** @returns a verdict for each item, by its index */
  async apply(items: readonly PushItem[]): Promise<ReadonlyMap<number, PushResult>> {
    await this.rows.load(items);
    const resumed = await this.parking.resume(items, this.rows);
    for (const item of resumed.deletes) this.verdicts.set(item.index, applied(item.echo));
    for (const wave of waves(resumed.items)) await this.process(wave);
    do {
      await this.release();
      await this.retry();
    } while (this.inserted.length > 0);
    await this.giveUp();
    await this.parking.finish();
    return this.verdicts;
  }

  /** The true conflicts that there were. */
  conflicts(): readonly ConflictEvent[] {
    return this.judge.conflicts();
  }

  /** What has come to be in the tables as the changes wanted it, in the order of writing. */
  accepted(): readonly PushItem[] {
    return this.done;
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
    const open = items.map((item) => this.onOwnVersion(item));
    const retries = await findRetries(this.roles.host, open, (item) => this.rows.get(item));
    for (const item of open) {
      const decision = await this.judge.decide(item, this.rows.get(item), retries.has(item));
      if ('kind' in decision) writes.push(decision);
      else this.conclude(item, decision);
    }
    await this.judge.rest();
    return writes;
  }

  /** What the same push wrote before is what the device's next change of the record builds on. */
  private onOwnVersion(item: PushItem): PushItem {
    const row = this.rows.get(item);
    return row && this.rows.isOwnVersion(item) ? { ...item, base: row.updatedAt } : item;
  }

  private async write(run: Run): Promise<readonly Outcome[]> {
    const [first, ...rest] = await this.valid(run.filter((write) => this.mayWrite(write)));
    if (!first) return [];
    const { roles, registry, context, logger } = this;
    return writeReadable({ roles, registry, context, logger }, [first, ...rest], (own) =>
      writeRun(roles, registry, context.userId, own),
    );
  }

  private async valid(writes: readonly Write[]): Promise<readonly Write[]> {
    const refusals = await this.validation.refusals(writes);
    for (const [{ item }, verdict] of refusals) this.conclude(item, verdict);
    return writes.filter((write) => !refusals.has(write));
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
    if (outcome.kind === 'passed') {
      this.conclude(item, refused(item, this.rows.get(item)));
      return;
    }
    if (outcome.kind === 'unreadable') {
      this.conclude(item, notReadable(item, this.rows.get(item)));
      return;
    }
    this.conclude(item, written(outcome));
    this.rows.put(item, outcome.row);
    const { name } = item.table.table;
    if (outcome.write.kind === 'insert' && this.registry.children(name).length > 0) this.inserted.push(item);
  }

  /** What was parked before stays parked until it is written, or has lost against a row that is there. */
  private conclude(item: PushItem, verdict: PushResult): void {
    if (this.parking.holds(item)) {
      if (!verdict.accepted && verdict.status !== 'conflict') {
        this.fail(item, { kind: 'verdict', verdict });
        return;
      }
      this.parking.settle(item);
    }
    if (verdict.accepted) this.done.push(item);
    this.verdicts.set(item.index, verdict);
  }

  /** Writes what was parked under the rows that this push has inserted. */
  private async release(): Promise<void> {
    const items = await this.parking.release(this.inserted.splice(0));
    await this.rows.load(items);
    await this.process(items);
  }

  /** Creates whose key was taken meanwhile are judged again, by the row that has it (W-PUSH-10). */
  private async findTaken(items: readonly PushItem[]): Promise<readonly PushItem[]> {
    await this.rows.load(items);
    return items.filter((item) => {
      if (this.rows.get(item)) return true;
      // Another user's: nothing is told of it (W-PUSH-5).
      this.conclude(item, terminal(item.echo, 'ownership_violation', 'record id is not available'));
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
    const missesParent = [...this.failures.values()].some(({ kind }) => kind === 'parent_missing');
    // The look that follows tells for sure that a parent is not there.
    if (missesParent) await this.parking.lock();
    await this.rows.load([...this.failures.keys()]);
    for (const order of [byArrival, this.byRank]) {
      const items = [...this.failures.keys()].toSorted(order);
      this.failures.clear();
      this.failedKeys.clear();
      for (const item of items) await this.process([item]);
      if (this.failures.size === items.length) return;
    }
  }

  /** Gives each change that failed its verdict. */
  private async giveUp(): Promise<void> {
    const { rows, parking, byRank } = this;
    const { verdicts, rejected } = await finalVerdicts(this.failures, { rows, parking, byRank });
    for (const [item, verdict] of verdicts) this.verdicts.set(item.index, verdict);
    this.log(rejected);
  }

  /** One line for each push: a device may send thousands of bad changes. */
  private log(rejected: ReadonlyMap<PushItem, Failure>): void {
    const [first] = rejected;
    if (!first) return;
    const { userId, clientId } = this.context;
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
  return takenAsSent(item, row);
}
