import type { SyncRegistry } from '../../registry/sync-registry.js';
import type { ContractTable } from '../../schema/schema-contract.js';
import { owningParent } from '../../store/ownership-sql.js';
import type { RoleSwitch } from '../../store/role-switch.js';
import { groupBy } from '../../common/collections.js';
import type { PushContext, PushItem, StoredRow } from './push-change.js';
import { recordKey } from './record-id.js';
import { foreignRows, type LockMode, lockRows, readRows } from './row-sql.js';

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

  constructor(
    private readonly roles: RoleSwitch,
    private readonly registry: SyncRegistry,
    private readonly context: PushContext,
  ) {}

  /** The record's row; undefined when there is none that the user may know of. */
  get(item: PushItem): StoredRow | undefined {
    return this.rows.get(item.key);
  }

  /** What the push has just written. */
  put(item: PushItem, row: StoredRow): void {
    this.rows.set(item.key, row);
    this.secured.add(item.key);
    this.written.add(item.key);
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

  /** Locks and reads the records of these changes, and the ancestors by which they are owned. */
  async load(items: readonly PushItem[]): Promise<void> {
    let open = items;
    // A row may become the user's between lock and read; the next look locks it.
    for (let look = 0; open.length > 0 && look < MAX_LOOKS; look++) {
      await this.lock(open);
      open = await this.read(open);
    }
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
      const rows = await readRows(this.roles.host, this.registry, this.context, parent, ids);
      const [others, seen] = [foreign, rows].map((part) => new Set(part.map(({ n }) => ids[n])));
      for (const item of group) {
        if (item.parentId === null || !others?.has(item.parentId)) continue;
        found.set(item, seen?.has(item.parentId) ? 'seen' : 'hidden');
      }
    }
    return found;
  }

  private async lock(items: readonly PushItem[]): Promise<void> {
    const wanted = new Map<string, Wanted>();
    for (const item of items) {
      this.want(wanted, item.table, item.id, 'NO KEY UPDATE');
      const { parent } = item.table.table;
      if (parent !== null && item.parentId !== null)
        this.want(wanted, this.table(parent), item.parentId, 'SHARE');
    }
    // Children come first and add their parents to what is wanted.
    for (const table of this.lockOrder()) {
      const { ids, mode } = wanted.get(table.table.name) ?? NOTHING;
      if (ids.size === 0) continue;
      const texts = [...ids];
      const parent = owningParent(this.registry, table.table);
      for (const row of await lockRows(
        this.roles.host,
        this.registry,
        table,
        texts,
        this.context.userId,
        mode,
      )) {
        this.secured.add(recordKey(table, texts[row.n] ?? row.id));
        if (parent && row.parent !== null) this.want(wanted, this.table(parent.name), row.parent, 'SHARE');
      }
    }
  }

  /** A table's rows are all locked in the strongest mode that one of them needs, in one statement, in one order. */
  private want(wanted: Map<string, Wanted>, table: ContractTable, id: string, mode: LockMode): void {
    if (this.secured.has(recordKey(table, id))) return;
    const known = wanted.get(table.table.name) ?? { ids: new Set(), mode };
    known.ids.add(id);
    wanted.set(table.table.name, mode === 'SHARE' ? known : { ...known, mode });
  }

  /** Returns the changes whose rows are the user's, and not locked yet. */
  private async read(items: readonly PushItem[]): Promise<readonly PushItem[]> {
    const unlocked: PushItem[] = [];
    for (const [table, group] of groupBy(items, (item) => item.table)) {
      const records = [...new Map(group.map((item) => [item.key, item])).values()];
      const ids = records.map(({ id }) => id);
      for (const { n, ...row } of await readRows(this.roles.host, this.registry, this.context, table, ids)) {
        const item = records[n];
        if (!item) continue;
        const isLocked = this.secured.has(item.key);
        this.rows.set(item.key, { ...row, owned: row.owned && isLocked });
        if (row.owned && !isLocked) unlocked.push(item);
      }
    }
    return unlocked;
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

const MAX_LOOKS = 3;

interface Wanted {
  readonly ids: Set<string>;
  readonly mode: LockMode;
}

const NOTHING: Wanted = { ids: new Set(), mode: 'SHARE' };
