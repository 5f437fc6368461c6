import { type Rows, StatementBatch } from '../../../database/pipeline.js';
import type { SyncRegistry } from '../../../registry/sync-registry.js';
import type { SyncTable } from '../../../registry/sync-table.js';
import type { ContractTable } from '../../../schema/schema-contract.js';
import { owningParent } from '../../../store/host-rows/ownership-sql.js';
import type { RoleSwitch } from '../../../database/role-switch.js';
import { groupBy } from '../../../common/collections.js';
import { isRemoval, type PushContext, type PushItem, type StoredRow } from '../push-change.js';
import { recordKey } from '../values/record-id.js';
import { NeededLocks } from './needed-locks.js';
import { foreignRows, type LockedRow, type LockMode, lockSql, readSql } from './row-sql.js';

/**
 * The existing rows that a push is about: read once, locked, and kept in step with what the push itself writes.
 *
 * All locks are taken in one order of all tables, children before parents, then by table name, then by primary key,
 * outside savepoints (interleavings 17). A child's row is locked before its foreign key is read, so the ancestors
 * that are locked next are the right ones, and ownership is judged by a fresh snapshot after the last lock
 * (interleavings 11).
 */
export class PushRows {
  private readonly rows = new Map<string, StoredRow>();
  private readonly secured = new Set<string>();
  private readonly written = new Set<string>();
  /** The parent's id of each record, where the parent decides its ownership. */
  private readonly parents = new Map<string, string>();

  constructor(
    private readonly roles: RoleSwitch,
    private readonly registry: SyncRegistry,
    private readonly context: PushContext,
  ) {}

  /** The record's row; undefined when there is none that the user may see. */
  get(item: PushItem): StoredRow | undefined {
    return this.rows.get(item.key);
  }

  /** Stores a row that the push has just written. */
  put(item: PushItem, row: StoredRow): void {
    this.rows.set(item.key, row);
    this.secured.add(item.key);
    this.written.add(item.key);
    if (item.parentId !== null) this.parents.set(item.key, item.parentId);
  }

  /** Whether the record's row is locked, or written by this push. */
  isSecured(item: PushItem): boolean {
    return this.secured.has(item.key);
  }

  /** The row is gone, by the push itself or with another that it has removed. */
  remove(item: PushItem): void {
    this.rows.delete(item.key);
    this.secured.delete(item.key);
    this.written.delete(item.key);
  }

  /** Whether the row's version is one that this push made. */
  isOwnVersion(item: PushItem): boolean {
    return this.written.has(item.key);
  }

  /** Whether the create may count on its parent: it is the user's, and locked or written by this push. */
  hasParent(item: PushItem): boolean {
    const key = this.parentKey(item);
    return key !== null && this.secured.has(key);
  }

  /** Identifies a create's parent among all records. */
  parentKey({ table: { table }, parentId }: PushItem): string | null {
    return table.parent === null || parentId === null ? null : recordKey(this.table(table.parent), parentId);
  }

  /** Locks and reads the records of these changes, and the ancestors that decide their ownership. */
  async load(items: readonly PushItem[]): Promise<void> {
    let open = items;
    // A row may become the user's between lock and read; the next pass locks it.
    for (let pass = 0; open.length > 0 && pass < MAX_PASSES; pass++) open = await this.lockAndRead(open);
  }

  /**
   * The rows of a table above these records, that a policy decides by: as far as the user sees them, and locked.
   * @param above the same for all items
   */
  async ancestors(
    items: readonly PushItem[],
    { name: above }: SyncTable,
  ): Promise<ReadonlyMap<PushItem, StoredRow>> {
    const table = this.table(above);
    const ids = new Map(
      items.flatMap((item) => {
        const id = this.ancestorId(item, above);
        return id === null ? [] : [[item, id] as const];
      }),
    );
    const read = readSql(this.registry, this.context, table, [...new Set(ids.values())]);
    const rows =
      ids.size === 0 ? [] : await this.roles.together(StatementBatch.single(read, (found) => found));
    const byKey = new Map((rows as readonly StoredRow[]).map((row) => [recordKey(table, row.id), row]));
    return new Map(
      [...ids].flatMap(([item, id]) => {
        const key = recordKey(table, id);
        const row = this.secured.has(key) ? byKey.get(key) : undefined;
        return row ? [[item, row] as const] : [];
      }),
    );
  }

  /**
   * Of creates without a parent of the user's, those whose parent is another's: it never becomes one that they could
   * wait for (scenario 125). Whether the user sees it decides only what is said.
   */
  async withForeignParent(items: readonly PushItem[]): Promise<ReadonlyMap<PushItem, 'seen' | 'hidden'>> {
    const found = new Map<PushItem, 'seen' | 'hidden'>();
    for (const [name, group] of groupBy(items, ({ table }) => table.table.parent)) {
      if (name === null) continue;
      const parent = this.table(name);
      const ids = group.flatMap(({ parentId }) => parentId ?? []);
      const foreign = await foreignRows(this.roles.sync, this.registry, this.context.userId, parent, ids);
      const read = readSql(this.registry, this.context, parent, ids);
      const rows = await this.roles.together(StatementBatch.single(read, (found) => found));
      const others = new Set(foreign.map(({ n }) => ids[n]));
      const seen = new Set((rows as readonly StoredRow[]).map(({ id }) => recordKey(parent, id)));
      for (const item of group) {
        if (item.parentId === null || !others.has(item.parentId)) continue;
        found.set(item, seen.has(recordKey(parent, item.parentId)) ? 'seen' : 'hidden');
      }
    }
    return found;
  }

  /** Returns the changes whose rows are to be locked, and are not yet. */
  private async lockAndRead(items: readonly PushItem[]): Promise<readonly PushItem[]> {
    const needed = new NeededLocks();
    for (const item of items) {
      this.addLock(needed, item.table, item.id, isRemoval(item) ? 'UPDATE' : 'NO KEY UPDATE');
      const { parent } = item.table.table;
      if (parent !== null && item.parentId !== null)
        this.addLock(needed, this.table(parent), item.parentId, 'SHARE');
    }
    let locks: Lock[] = [];
    // Children come first and add their parents to what is wanted.
    for (const table of this.lockOrder()) {
      if (locks.some((lock) => lock.parent === table)) {
        await this.run(locks, [], needed);
        locks = [];
      }
      const { ids, mode } = needed.of(table.table.name);
      const parent = owningParent(this.registry, table.table);
      if (ids.size > 0) locks.push({ table, ids: [...ids], mode, parent: parent && this.table(parent.name) });
    }
    return this.run(locks, items, needed);
  }

  /**
   * Locks, and then reads the records of changes, in one round trip.
   * @param needed what is to be locked besides
   */
  private async run(
    locks: readonly Lock[],
    items: readonly PushItem[],
    needed: NeededLocks,
  ): Promise<readonly PushItem[]> {
    const { registry, context } = this;
    const groups = [...groupBy(items, ({ table }) => table)];
    const { locked, read } = await this.roles.together(
      StatementBatch.together<{ locked: readonly Rows[]; read: readonly Rows[] }>({
        locked: StatementBatch.each(
          locks.map(({ table, ids, mode }) => lockSql(registry, context, table, ids, mode)),
        ),
        read: StatementBatch.each(
          groups.map(([table, group]) =>
            readSql(registry, context, table, [...new Set(group.map(({ id }) => id))]),
          ),
        ),
      }),
    );
    for (const [index, { table, parent }] of locks.entries()) {
      for (const row of locked[index] as readonly LockedRow[]) {
        this.secured.add(recordKey(table, row.id));
        if (!parent || row.parent === null) continue;
        this.parents.set(recordKey(table, row.id), row.parent);
        this.addLock(needed, parent, row.parent, 'SHARE');
      }
    }
    return groups.flatMap(([table, group], index) =>
      this.take(table, group, read[index] as readonly StoredRow[]),
    );
  }

  /** Keeps what was read. Returns the changes whose rows are to be locked, and are not yet. */
  private take(
    table: ContractTable,
    group: readonly PushItem[],
    rows: readonly StoredRow[],
  ): readonly PushItem[] {
    const byKey = new Map(group.map((item) => [item.key, item]));
    const isBySight = this.context.authority?.locksBySight(table.table) === true;
    return rows.flatMap((row) => {
      const key = recordKey(table, row.id);
      const isLocked = this.secured.has(key);
      this.rows.set(key, isLocked ? row : { ...row, owned: false });
      return (row.owned || isBySight) && !isLocked ? (byKey.get(key) ?? []) : [];
    });
  }

  private addLock(needed: NeededLocks, table: ContractTable, id: string, mode: LockMode): void {
    if (!this.secured.has(recordKey(table, id))) needed.add(table.table.name, id, mode);
  }

  /** By way of the parents that decide who owns it. */
  private ancestorId({ table: { table }, key, parentId }: PushItem, above: string): string | null {
    let id = this.parents.get(key) ?? parentId;
    let { parent } = table;
    while (parent !== null && id !== null && parent !== above) {
      const contract = this.table(parent);
      id = this.parents.get(recordKey(contract, id)) ?? null;
      parent = contract.table.parent;
    }
    return parent === above ? id : null;
  }

  private lockOrder(): readonly ContractTable[] {
    return [...this.context.contract.tables.values()].toSorted(
      ({ table: a }, { table: b }) => b.depth - a.depth || (a.name < b.name ? -1 : 1),
    );
  }

  private table(name: string): ContractTable {
    const table = this.context.contract.tables.get(name);
    if (!table) throw new RangeError(`table ${name} is not in the contract`);
    return table;
  }
}

const MAX_PASSES = 3;

/** One statement's locks. */
interface Lock {
  readonly table: ContractTable;
  readonly ids: readonly string[];
  readonly mode: LockMode;
  /** The table whose rows decide the ownership of these, if it isn't this one. */
  readonly parent: ContractTable | undefined;
}
