import type { SyncLogger } from '../../../common/sync-logger.js';
import { formatMicros, truncateMicros } from '../../../common/timestamp.js';
import {
  deleteParkedRows,
  type ParkedFailure,
  parkedRecords,
  type ParkedRow,
  parkedSize,
  parkedUnder,
  recordParkedFailures,
  saveParkedRows,
  tryLockParkedRows,
} from '../../../store/clients/parked-rows.js';
import type { SqlRunner } from '../../../database/session.js';
import { mergeIntoParked } from './merge-into-parked.js';
import { type CheckScope, checkChange } from '../check-change.js';
import { ParkingBusyError } from './parking-busy.error.js';
import { dataJson, parkedChange, parkedKey, parkedRow } from './parked-change.js';
import type { PushContext, PushItem, PushResult } from '../push-change.js';
import type { PushRows } from '../sql/push-rows.js';
import { retryable } from '../verdicts.js';
import { rounds } from '../writing/write-groups.js';

/** Most rows, and bytes of JSON text, that are parked for one user: they may all be released by one push. */
export const MAX_PARKED = { rows: 10_000, bytes: 64 * 1024 * 1024 };

/** How a push finds its user's parked rows. */
export interface ParkingState {
  /** The user's lock was taken, before any row was locked. */
  readonly locked: boolean;
  /** The user has parked rows. */
  readonly used: boolean;
}

/**
 * The parked rows of a push's user (interleavings 20). Rows that it takes up stay stored until their result is known;
 * {@link finish} removes those that were written or deleted.
 *
 * A push that creates a possible parent takes the user's lock (`lockParkedRows`) before it locks any row. A push that
 * misses a parent, or meets a parked record, takes the lock only then, and reads again. It holds row locks by then,
 * and a push of the first kind may wait for these: so it doesn't wait, but runs again, and takes the lock first. If
 * every push took it, a user's devices would always wait for each other.
 */
export class Parking {
  private locked: boolean;
  /** The user has parked rows. */
  readonly isUsed: boolean;
  /** Every record that was taken up, and those of them that may stay parked. */
  private readonly takenUp = new Set<string>();
  /** Changes whose devices hold the record under another parent than it has. */
  readonly moved: PushItem[] = [];
  private readonly held = new Set<string>();
  private readonly gone: PushItem[] = [];
  private readonly kept: PushItem[] = [];
  private readonly failures: ParkedFailure[] = [];
  private size: { rows: number; bytes: number } | undefined;
  private released = 0;

  constructor(
    private readonly sql: SqlRunner,
    private readonly context: PushContext,
    private readonly scope: CheckScope,
    state: ParkingState,
    private readonly logger: SyncLogger,
  ) {
    this.locked = state.locked;
    this.isUsed = state.used;
  }

  /**
   * @returns whether the lock is new: what was read before may be out of date
   * @throws ParkingBusyError when another push has it
   */
  async lock(): Promise<boolean> {
    if (this.locked) return false;
    if (!(await tryLockParkedRows(this.sql, this.context.userId))) throw new ParkingBusyError();
    this.locked = true;
    return true;
  }

  /** Whether this push has taken the record up, and it may have to stay parked. */
  holds({ key }: PushItem): boolean {
    return this.held.has(key);
  }

  /** The record needs no parking any more: it was written, or has lost against a row that is there, or is deleted. */
  unpark(item: PushItem): void {
    if (this.held.delete(item.key)) this.gone.push(item);
  }

  /**
   * Takes up the parked records among those that are changed: the first change of each becomes a create of what it
   * amounts to, since the parent may be there by now.
   *
   * @returns all changes, less the deletes that are done with that
   */
  async resume(
    items: readonly PushItem[],
    rows: PushRows,
  ): Promise<{ readonly items: readonly PushItem[]; readonly deletes: readonly PushItem[] }> {
    const parked = await this.parkedAmong(items, rows);
    const deletes: PushItem[] = [];
    const resumed = items.flatMap((item) => {
      const before = parked.get(item);
      if (!before) return item;
      const { parked: after, moves } = mergeIntoParked(before, item, this.times());
      if (moves) this.moved.push(item);
      if (after) return { ...after, index: item.index, ref: item.ref };
      this.unpark(item);
      deletes.push(item);
      return [];
    });
    return { items: resumed, deletes };
  }

  /**
   * Takes up the rows that are parked under rows which this push has inserted, as creates without a verdict for the
   * device.
   */
  async release(parents: readonly PushItem[]): Promise<readonly PushItem[]> {
    if (!this.isUsed || parents.length === 0) return [];
    const keys = parents.map(({ table, id }) => ({ table: table.table.name, recordId: id }));
    const rows = await parkedUnder(this.sql, this.context.userId, keys);
    return rows.flatMap((row) => this.takeUp(row) ?? []);
  }

  /**
   * Parks a create and what follows it in this push.
   *
   * @param items all changes of one record, in their order
   * @param error for an operator, where more is wrong than that the parent is still to come
   * @returns their verdicts, or null when they name no parent to wait for
   */
  async keep(
    items: readonly PushItem[],
    error: string | null,
  ): Promise<readonly (readonly [PushItem, PushResult])[] | null> {
    let parked: PushItem | null = null;
    const verdicts: [PushItem, PushResult][] = [];
    for (const item of items) {
      const merged = mergeIntoParked(parked, item, this.times());
      parked = merged.parked;
      verdicts.push([item, merged.verdict]);
    }
    if (!parked) {
      for (const item of items.slice(0, 1)) this.unpark(item);
      return verdicts;
    }
    if (parked.parentId === null) return null;
    if (!this.holds(parked) && !(await this.takeRoom(parked))) return items.map(fullVerdict);
    // Released rows have indexes below zero: of what was only released, nothing has changed.
    if (items.some(({ index }) => index >= 0)) this.kept.push(parked);
    if (error !== null) this.failures.push({ ...parkedKey(parked), error });
    return verdicts;
  }

  /** Writes down what is parked now. */
  async finish(): Promise<void> {
    const { userId } = this.context;
    await deleteParkedRows(this.sql, userId, this.gone.map(parkedKey));
    await saveParkedRows(
      this.sql,
      this.context,
      this.kept.map((item) => parkedRow(item, this.context.contract)),
    );
    await recordParkedFailures(this.sql, this.failures);
    const [first] = this.failures;
    if (!first) return;
    this.logger.error('parked changes could not be written (see sync_rule_failures)', {
      count: this.failures.length,
      userId,
      first: first.error,
    });
  }

  private async parkedAmong(
    items: readonly PushItem[],
    rows: PushRows,
  ): Promise<ReadonlyMap<PushItem, PushItem>> {
    if (!this.isUsed) return new Map();
    const [firsts = []] = rounds(items);
    const isOpen = (item: PushItem): boolean =>
      item.table.table.parent !== null &&
      rows.get(item) === undefined &&
      (item.operation !== 'update' || item.data !== null);
    let open = firsts.filter(isOpen);
    if (open.length === 0) return new Map();
    if (await this.lock()) {
      await rows.load(open);
      open = open.filter(isOpen);
    }
    const found = await parkedRecords(this.sql, this.context.userId, open.map(parkedKey));
    const byKey = new Map(
      found.flatMap((row) => this.takeUp(row) ?? []).map((parked) => [parked.key, parked]),
    );
    return new Map(
      open.flatMap((item) => {
        const parked = byKey.get(item.key);
        return parked ? [[item, parked] as const] : [];
      }),
    );
  }

  /** The row as a create, unless this push has taken it up before. */
  private takeUp(row: ParkedRow): PushItem | null {
    const item = checkChange(parkedChange(row), -++this.released, this.scope);
    if (!('key' in item)) {
      // The contract has changed meanwhile.
      this.failures.push({ table: row.table, recordId: row.recordId, error: item.message ?? item.status });
      return null;
    }
    if (this.takenUp.has(item.key)) return null;
    this.takenUp.add(item.key);
    this.held.add(item.key);
    return item;
  }

  private async takeRoom(parked: PushItem): Promise<boolean> {
    const size = (this.size ??= { ...(await parkedSize(this.sql, this.context.userId)) });
    size.rows += 1;
    size.bytes += Buffer.byteLength(dataJson(parked.data));
    return size.rows <= MAX_PARKED.rows && size.bytes <= MAX_PARKED.bytes;
  }

  /**
   * The server's time for the row, for any clock of the device: a device drops the delete of a row without a time,
   * and ignores older versions (docs/protocol.md#records). This time is older than any that follows.
   */
  private times(): Pick<PushResult, 'server_updated_at'> {
    return { server_updated_at: formatMicros(truncateMicros(this.scope.now, 3) - 1000n) };
  }
}

function fullVerdict(item: PushItem): readonly [PushItem, PushResult] {
  return [item, retryable(item.ref, 'parent_missing', 'too many records wait for their parents')];
}
