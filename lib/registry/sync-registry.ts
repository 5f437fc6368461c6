import type { SynchroProblem } from '../common/errors.js';
import type { SyncTable } from './sync-table.js';

/** Findings of discovery about the entities. */
export interface RegistryFindings {
  /** While there is one, nothing is served: see `SchemaService`. */
  readonly problems: readonly RegistryProblem[];
  /** Settings that work in another way than the host may expect. */
  readonly warnings: readonly SynchroProblem[];
}

export interface RegistryProblem extends SynchroProblem {
  /** A column that the entity does not have: the database is not checked for it. */
  readonly unknownColumn?: string;
}

/** The synced tables of one application, in registration order. Immutable; one per module instance. */
export class SyncRegistry {
  private readonly byName: ReadonlyMap<string, SyncTable>;
  private readonly childrenOf = new Map<string, SyncTable[]>();

  private readonly inOrder: readonly SyncTable[];

  constructor(
    tables: readonly SyncTable[],
    readonly findings: RegistryFindings = { problems: [], warnings: [] },
  ) {
    this.inOrder = Object.freeze([...tables]);
    this.byName = new Map(tables.map((table) => [table.name, table]));
    for (const table of tables) {
      if (table.parent !== null) this.childrenOf.set(table.parent, [...this.children(table.parent), table]);
    }
  }

  /** All tables in registration order. */
  all(): readonly SyncTable[] {
    return this.inOrder;
  }

  /**
   * All tables, every parent before its children. Otherwise by name, so that the order says nothing of the order of a
   * process's imports: the cursor of a snapshot that goes on in another one counts on it (hazard W-SNAP-5).
   */
  parentsFirst(): readonly SyncTable[] {
    return this.inOrder.toSorted((a, b) => a.depth - b.depth || (a.name < b.name ? -1 : 1));
  }

  find(name: string): SyncTable | undefined {
    return this.byName.get(name);
  }

  /** A table that is known to be registered. */
  get(name: string): SyncTable {
    const table = this.byName.get(name);
    if (!table) throw new RangeError(`table ${name} is not registered for sync`);
    return table;
  }

  /** The tables whose parent is the named one. */
  children(name: string): readonly SyncTable[] {
    return this.childrenOf.get(name) ?? [];
  }

  /** The table's ancestors, nearest first; empty for a root. */
  ancestors(table: SyncTable): readonly SyncTable[] {
    if (table.parent === null) return [];
    const parent = this.get(table.parent);
    return [parent, ...this.ancestors(parent)];
  }
}
