import { partition } from '../../../common/collections.js';
import { Turns } from '../../../common/pieces.js';
import type { SyncRegistry } from '../../../registry/sync-registry.js';
import type { RoleSwitch } from '../../../database/role-switch.js';
import { hasOwnWriteRule } from '../../../store/host-rows/ownership-sql.js';
import type { FailedChanges } from '../failures/failed-changes.js';
import type { FailureBudget } from '../failures/failure-budget.js';
import { type Failure, notWritten } from '../failures/failures.js';
import type { FailedCode } from './host-code.js';
import { grantOf, type Permission } from '../policy/granted.js';
import { isForbidden } from './is-forbidden.js';
import { type Judge, notThere, type Write } from './judge.js';
import type { Parking } from '../parking/parking.js';
import type { WritePermissions } from '../policy/write-permissions.js';
import {
  isRemoval,
  type PushContext,
  type PushItem,
  type PushResult,
  type StoredRow,
} from '../push-change.js';
import type { PushRows } from '../sql/push-rows.js';
import { notReadable } from '../sql/readable-buckets.js';
import { findRetries } from '../failures/retries.js';
import { type Outcome, GroupWriter, type Written } from './group-writer.js';
import { unfitColumn } from '../values/unfit-value.js';
import { terminal } from '../verdicts.js';
import { type PushRank, type WriteGroup, writeGroups } from './write-groups.js';
import type { WriteValidation } from './write-validation.js';
import { writtenVerdict } from './written.js';
import { WrittenItems } from './written-items.js';

/** The parts that a push works with. */
export interface PushTools {
  readonly roles: RoleSwitch;
  readonly registry: SyncRegistry;
  readonly context: PushContext;
  readonly permissions: WritePermissions;
  readonly judge: Judge;
  readonly parking: Parking;
  readonly validation: WriteValidation;
}

/** The state of one push so far. */
export interface PushState {
  readonly rows: PushRows;
  readonly failed: FailedChanges;
  readonly budget: FailureBudget;
  readonly rank: PushRank;
}

/** Judges and writes changes, and gives those that are done their verdicts. */
export class ChangeProcessing {
  readonly writer: GroupWriter;
  /** By the changes' indexes. */
  readonly verdicts = new Map<number, PushResult>();
  readonly written: WrittenItems;
  /** Changes that would have put a row into a bucket that the user doesn't read. */
  readonly unreadable: PushItem[] = [];
  /** Other rows may have gone with those that were removed. */
  private hasRemoved = false;
  private readonly turns = new Turns();

  constructor(
    private readonly tools: PushTools,
    private readonly state: PushState,
  ) {
    const { roles, registry, context } = tools;
    this.writer = new GroupWriter(roles, registry, context, state.budget);
    this.written = new WrittenItems(registry);
  }

  /** Judges and writes changes of different records. */
  async process(items: readonly PushItem[]): Promise<void> {
    let open = this.state.failed.withoutBlocked(items);
    while (open.length > 0) {
      const taken: Write[] = [];
      for (const group of writeGroups(await this.decide(open), this.state.rank)) {
        for (const outcome of await this.write(group)) {
          const mayBeTaken = outcome.kind === 'skipped' && outcome.write.kind === 'insert';
          if (mayBeTaken || outcome.kind === 'taken') taken.push(outcome.write);
          else await this.applyOutcome(outcome);
        }
      }
      open = await this.findTaken(taken);
    }
  }

  private async decide(items: readonly PushItem[]): Promise<readonly Write[]> {
    const writes: Write[] = [];
    const { budget, rows } = this.state;
    const all = items.map((item) => this.onOwnVersion(item));
    const permissions = await this.tools.permissions.ask(all, rows, budget);
    const open = all.filter((item) => this.isOpen(item, permissions.get(item)));
    const rowOf = (item: PushItem): StoredRow | undefined => {
      const row = rows.get(item);
      return row && permissions.has(item) ? { ...row, owned: true } : row;
    };
    const failing = { budget, isRerun: this.tools.context.isRerun === true };
    const retries = await findRetries(this.tools.roles.host, open, rowOf, failing);
    for (const item of open) {
      // Thousands may be decided without a statement in between.
      if (this.turns.isOver) await this.turns.next();
      const how = { isRetry: retries.has(item), granted: grantOf(permissions.get(item)) };
      const decision = await this.tools.judge.decide(item, rowOf(item), how);
      if ('kind' in decision) writes.push(decision);
      else this.takeAnswer(item, decision);
    }
    await this.tools.judge.rest();
    return writes;
  }

  /** Whether a change is still to be judged: no policy has refused it. */
  private isOpen(item: PushItem, permission: Permission | undefined): boolean {
    if (permission === undefined || grantOf(permission)) return true;
    if (permission === 'postponed') this.state.failed.add(item, { kind: 'postponed' });
    else if (!('byDefault' in permission)) this.takeAnswer(item, permission);
    return false;
  }

  /** The device's next change of a record builds on the version that this push wrote before. */
  private onOwnVersion(item: PushItem): PushItem {
    const row = this.state.rows.get(item);
    return row && this.state.rows.isOwnVersion(item) ? { ...item, base: row.updatedAt } : item;
  }

  private async write(group: WriteGroup): Promise<readonly Outcome[]> {
    const outcomes: Outcome[] = [];
    const ready = await this.decided(group.filter((write) => this.mayWrite(write)));
    for (const part of writeGroups(ready, this.state.rank)) {
      const [first, ...rest] = await this.valid(part);
      if (first) outcomes.push(...(await this.writer.write([first, ...rest])));
    }
    return outcomes;
  }

  /** A create whose parent has come with the same push is put before its policy only now. */
  private async decided(writes: readonly Write[]): Promise<readonly Write[]> {
    const { permissions } = this.tools;
    const late = writes.filter((write) => !permissions.isDecided(write)).map(({ item }) => item);
    if (late.length === 0) return writes;
    const answers = await permissions.ask(late, this.state.rows, this.state.budget);
    return writes.flatMap((write) => {
      if (permissions.isDecided(write)) return write;
      const answer = answers.get(write.item);
      const granted = grantOf(answer);
      return this.isOpen(write.item, answer) && granted ? { ...write, granted } : [];
    });
  }

  private async valid(writes: readonly Write[]): Promise<readonly Write[]> {
    const refusals = await this.tools.validation.refusals(writes);
    for (const [{ item }, answer] of refusals) this.takeAnswer(item, answer);
    return writes.filter((write) => !refusals.has(write));
  }

  private takeAnswer(item: PushItem, answer: PushResult | FailedCode): void {
    if ('error' in answer) this.state.failed.add(item, { kind: 'host', error: answer.error });
    else this.conclude(item, answer);
  }

  private mayWrite(write: Write): boolean {
    const column = unfitColumn(write);
    const failure: Failure | null = this.missesParent(write)
      ? { kind: 'parent_missing', write }
      : column === null
        ? null
        : { kind: 'value', column };
    if (failure) this.state.failed.add(write.item, failure);
    return failure === null;
  }

  /** A child is only written under a parent that is locked, so that it stays the user's (interleavings 11). */
  private missesParent({ item, kind }: Write): boolean {
    const { table } = item.table;
    if (kind !== 'insert' || table.parent === null || this.state.rows.hasParent(item)) return false;
    const fk = table.parentFkColumn === null ? null : item.data?.get(table.parentFkColumn);
    return !hasOwnWriteRule(table) || (fk !== null && fk !== undefined);
  }

  private async applyOutcome(outcome: Exclude<Outcome, { kind: 'taken' }>): Promise<void> {
    const { write, kind } = outcome;
    const { item } = write;
    if (kind === 'failed') this.state.failed.add(item, { kind: 'sql', error: outcome.error, write });
    else if (kind === 'postponed') this.state.failed.add(item, { kind: 'postponed' });
    else if (kind === 'written') this.keep(outcome);
    else if (kind === 'unreadable') {
      this.unreadable.push(item);
      this.conclude(item, notReadable(item, this.state.rows.get(item)));
    } else if (item.operation !== 'create' && (await this.isGone(item))) {
      this.conclude(item, notThere(item, item.operation));
    } else {
      // The row is locked and was the user's, so code, a policy or a trigger of the host's has refused.
      const { roles, registry, context } = this.tools;
      const forbidden = await isForbidden(roles.host, registry, write, context.userId);
      this.conclude(item, notWritten(write, this.state.rows.get(item), forbidden));
    }
  }

  /** Whether the row went, by a foreign key or a trigger, with another one that this push has removed. */
  private async isGone(item: PushItem): Promise<boolean> {
    if (!this.hasRemoved) return false;
    this.state.rows.remove(item);
    await this.state.rows.load([item]);
    return this.state.rows.get(item) === undefined;
  }

  /** A change is written. */
  keep(outcome: Written): void {
    const { row } = outcome;
    const { item } = outcome.write;
    this.conclude(item, writtenVerdict(outcome));
    if (isRemoval(item)) {
      this.state.rows.remove(item);
      this.hasRemoved = true;
    } else this.state.rows.put(item, row);
    this.written.add(outcome);
  }

  /** A parked record stays parked until it is written, or has lost against an existing row. */
  private conclude(item: PushItem, verdict: PushResult): void {
    if (this.tools.parking.holds(item)) {
      if (!verdict.accepted && verdict.status !== 'conflict') {
        this.state.failed.add(item, { kind: 'verdict', verdict });
        return;
      }
      this.tools.parking.unpark(item);
    }
    this.written.conclude(item, verdict);
    this.verdicts.set(item.index, verdict);
  }

  /**
   * Judges creates whose key was taken meanwhile again, by the row that has it (W-PUSH-10). Where no row is visible,
   * a statement in the plain form shows whether the key is taken, or the table doesn't take the record.
   */
  private async findTaken(writes: readonly Write[]): Promise<readonly PushItem[]> {
    await this.state.rows.load(writes.map(({ item }) => item));
    const [seen, hidden] = partition(writes, ({ item }) => this.state.rows.get(item) !== undefined);
    for (const group of writeGroups(hidden, this.state.rank)) {
      for (const outcome of await this.writer.write(group, 'plain')) {
        const { item } = outcome.write;
        if (outcome.kind !== 'taken') await this.applyOutcome(outcome);
        // It is another user's, and the answer reveals nothing of it (W-PUSH-5).
        else this.conclude(item, terminal(item.ref, 'ownership_violation', 'record id is not available'));
      }
    }
    return seen.map(({ item }) => item);
  }
}
