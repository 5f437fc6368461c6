import { upsert } from '../../common/collections.js';
import { comparableMicros } from '../../common/timestamp.js';
import type { ChangelogTransaction } from '../../store/changelog/changelog-transaction.js';
import { readEdges, type EdgeKey, type EdgeRow, type RecordIds } from '../../store/changelog/edges.js';
import type { RecordEdges } from './edge-diff.js';

interface WorkingRecord extends RecordEdges {
  /** As stored. */
  readonly before: ReadonlyMap<string, boolean>;
  readonly beforeRowMicros: bigint | null;
  readonly beforeParentId: string | null;
}

/** Edges that are to be written or to go. */
export interface EdgeDifference {
  readonly added: readonly EdgeRow[];
  readonly saved: readonly EdgeRow[];
  readonly gone: readonly EdgeKey[];
}

/**
 * The edges of the records that one piece of work touches: read once, changed in memory, and written as the
 * difference (see `membership-write.ts`), each edge at most once.
 */
export class EdgeWorkspace {
  private readonly tables = new Map<string, Map<string, WorkingRecord>>();

  constructor(private readonly tx: ChangelogTransaction) {}

  /** Reads the edges of records that aren't here yet. */
  async load(wanted: RecordIds): Promise<void> {
    const missing = new Map<string, Set<string>>();
    for (const [table, ids] of wanted) {
      const known = this.tables.get(table);
      missing.set(table, known ? new Set([...ids].filter((id) => !known.has(id))) : new Set(ids));
    }
    this.add(missing, await readEdges(this.tx, missing));
  }

  /** Takes records over whose edges have been read. */
  add(records: RecordIds, edges: readonly EdgeRow[]): void {
    const stored = new Map<string, Map<string, EdgeRow[]>>();
    for (const edge of edges) {
      const ofTable = upsert(stored, edge.table, () => new Map<string, EdgeRow[]>());
      upsert(ofTable, edge.recordId, () => []).push(edge);
    }
    for (const [table, ids] of records) {
      const known = upsert(this.tables, table, () => new Map<string, WorkingRecord>());
      const ofTable = stored.get(table);
      for (const id of ids) known.set(id, workingRecord(ofTable?.get(id) ?? NO_EDGES));
    }
  }

  /** A record that was loaded. */
  record(table: string, id: string): RecordEdges {
    return this.working(table, id);
  }

  /** How many buckets (live or dead) a loaded record had as stored; null when they are still the same. */
  countBeforeChange(table: string, id: string): number | null {
    const { before, edges } = this.working(table, id);
    let same = before.size === edges.size;
    for (const bucket of before.keys()) same &&= edges.has(bucket);
    return same ? null : before.size;
  }

  /** The changes of the edges. The workspace can't be used afterwards. */
  difference(): EdgeDifference {
    const added: EdgeRow[] = [];
    const saved: EdgeRow[] = [];
    const gone: EdgeKey[] = [];
    for (const [table, records] of this.tables) {
      for (const [recordId, record] of records) {
        const rowMoved =
          record.rowMicros !== record.beforeRowMicros || record.parentId !== record.beforeParentId;
        for (const [bucket, live] of record.edges) {
          const before = record.before.get(bucket);
          if (!rowMoved && before === live) continue;
          (before === undefined ? added : saved).push({
            table,
            recordId,
            bucket,
            live,
            rowUpdatedAt: record.rowUpdatedAt,
            parentId: record.parentId,
          });
        }
        for (const bucket of record.before.keys()) {
          if (!record.edges.has(bucket)) gone.push({ table, recordId, bucket });
        }
      }
    }
    this.tables.clear();
    return { added, saved, gone };
  }

  private working(table: string, id: string): WorkingRecord {
    const record = this.tables.get(table)?.get(id);
    if (!record) throw new RangeError(`the edges of ${table} ${id} were not loaded`);
    return record;
  }
}

const NO_EDGES: readonly EdgeRow[] = [];
const NOTHING: ReadonlyMap<string, boolean> = new Map();

function workingRecord(stored: readonly EdgeRow[]): WorkingRecord {
  const [first] = stored;
  if (first === undefined)
    return {
      edges: new Map(),
      rowUpdatedAt: null,
      rowMicros: null,
      parentId: null,
      before: NOTHING,
      beforeRowMicros: null,
      beforeParentId: null,
    };
  const { parentId } = first;
  const edges = new Map(stored.map((edge) => [edge.bucket, edge.live]));
  let rowUpdatedAt: string | null = null;
  let rowMicros: bigint | null = null;
  for (const edge of stored) {
    const micros = comparableMicros(edge.rowUpdatedAt);
    if (micros !== null && (rowMicros === null || micros > rowMicros)) {
      rowMicros = micros;
      rowUpdatedAt = edge.rowUpdatedAt;
    }
  }
  return {
    edges,
    rowUpdatedAt,
    rowMicros,
    parentId,
    before: new Map(edges),
    beforeRowMicros: rowMicros,
    beforeParentId: parentId,
  };
}
