import type { SyncRegistry } from '../registry/sync-registry.js';
import type { SyncTable } from '../registry/sync-table.js';
import { bucketColumns } from '../resolvers/join-resolver.js';
import type { ColumnChoice } from './pgoutput.js';

/** A table whose buckets depend on the tracked one, and the column that names its rows. */
export interface Dependent {
  readonly table: SyncTable;
  readonly fkColumn: string;
}

/** What the consumer does with the changes of one relation. */
export interface TrackedTable {
  /** The synced table, if the relation is one. */
  readonly table: SyncTable | null;
  readonly dependents: readonly Dependent[];
  readonly columns: ReadonlySet<string> | 'all';
}

/** The relations that the consumer follows: the synced tables and their bucket sources. */
export class TrackedTables {
  private readonly byRelation = new Map<string, TrackedTable>();

  /** @param needsAllColumns the table's rule isn't the default one, so it may read any column */
  constructor(
    readonly registry: SyncRegistry,
    private readonly needsAllColumns: (table: SyncTable) => boolean,
  ) {
    for (const table of registry.all()) {
      this.byRelation.set(key(table.schema, table.name), {
        table,
        dependents: this.find(table.schema, table.name)?.dependents ?? [],
        columns: this.columnsOf(table),
      });
      for (const { schema, relation, fkColumn } of table.bucketSources) {
        const known = this.find(schema, relation);
        const columns = known?.columns ?? new Set<string>();
        this.byRelation.set(key(schema, relation), {
          table: known?.table ?? null,
          dependents: [...(known?.dependents ?? []), { table, fkColumn }],
          columns: columns === 'all' ? 'all' : new Set([...columns, fkColumn]),
        });
      }
    }
  }

  find(schema: string, relation: string): TrackedTable | undefined {
    return this.byRelation.get(key(schema, relation));
  }

  /** All relations that the publication must name. */
  relations(): readonly { readonly schema: string; readonly relation: string }[] {
    return [...this.byRelation.keys()]
      .map((text) => JSON.parse(text) as [string, string])
      .map(([schema, relation]) => ({ schema, relation }));
  }

  /** The columns of a synced table that its rules and the diff read. */
  columnsOf(table: SyncTable): ReadonlySet<string> | 'all' {
    if (this.needsAllColumns(table)) return 'all';
    const { idColumn, updatedAtColumn, deletedAtColumn, parentFkColumn } = table;
    return new Set([
      idColumn,
      updatedAtColumn,
      deletedAtColumn,
      ...(parentFkColumn === null ? [] : [parentFkColumn]),
      ...bucketColumns(table),
    ]);
  }

  /** For the decoder: other relations are not decoded at all. */
  readonly choose: ColumnChoice = (schema, name) => this.find(schema, name)?.columns ?? null;
}

function key(schema: string, relation: string): string {
  return JSON.stringify([schema, relation]);
}
