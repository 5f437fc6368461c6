import { upsert } from '../../common/collections.js';
import type { SyncRegistry } from '../../registry/sync-registry.js';
import type { SyncTable } from '../../registry/sync-table.js';
import { beforeAll, type Moment } from '../rules/bucket-timeline.js';
import { bucketsOf } from './edge-diff.js';
import type { EdgeWorkspace } from './edge-workspace.js';
import { parentOf, type RecordName } from '../tables/parent-of.js';
import type { RowEvent } from '../stream/row-events.js';

/** A record as the log had it before a batch. */
interface Ancestor {
  readonly buckets: ReadonlySet<string>;
  readonly parent: RecordName | null;
}

/**
 * The ancestors of a batch's records, as they were before it. A record that moves only because its parent moves has
 * no event of its own in the batch.
 */
export class Ancestry {
  private constructor(private readonly tables: ReadonlyMap<string, ReadonlyMap<string, Ancestor>>) {}

  /** Reads those of tables that have a row two levels or more above them that may move. */
  static async read(
    edges: EdgeWorkspace,
    registry: SyncRegistry,
    byTable: ReadonlyMap<string, readonly RowEvent[]>,
  ): Promise<Ancestry> {
    const tables = new Map<string, Map<string, Ancestor>>();
    for (const [name, events] of byTable) {
      const [parent, ...above] = registry.ancestors(registry.get(name));
      const mayMove = ({ name: table }: SyncTable): boolean =>
        byTable.get(table)?.some(({ kind }) => kind !== 'insert') === true;
      if (!parent || !above.some(mayMove)) continue;
      let ids = new Set(events.flatMap(({ table, row }) => (row ? (parentOf(table, row)?.id ?? []) : [])));
      for (const table of [parent, ...above]) {
        await edges.load(new Map([[table.name, ids]]));
        const known = upsert(tables, table.name, () => new Map());
        const next = new Set<string>();
        for (const id of ids) {
          const { edges: own, parentId } = edges.record(table.name, id);
          const isChild = table.parent !== null && parentId !== null;
          known.set(id, {
            buckets: bucketsOf(own),
            parent: isChild ? { table: table.parent, id: parentId } : null,
          });
          if (isChild) next.add(parentId);
        }
        ids = next;
      }
    }
    return new Ancestry(tables);
  }

  has(table: string): boolean {
    return this.tables.has(table);
  }

  /**
   * The moments of a record that has moved with its parent.
   * @param momentsOf of the parent
   */
  momentsOf(
    { table, id }: RecordName,
    momentsOf: (parent: RecordName) => readonly Moment[] | undefined,
  ): readonly Moment[] | undefined {
    const ancestor = this.tables.get(table)?.get(id);
    const [before, ...moves] = (ancestor?.parent && momentsOf(ancestor.parent)) ?? [];
    if (!ancestor || !before) return undefined;
    const own = [...ancestor.buckets].filter((bucket) => !before.buckets.has(bucket));
    const moved = moves.map((move) => ({ ...move, buckets: new Set([...own, ...move.buckets]) }));
    return [beforeAll(ancestor.buckets), ...moved];
  }
}
