import { quoteIdentifier } from '../../common/identifiers.js';
import type { SyncRegistry } from '../../registry/sync-registry.js';
import type { SyncTable } from '../../registry/sync-table.js';
import { bucketColumns } from '../../resolvers/join-resolver.js';
import type { ColumnChoice, PaddedColumns, Relation } from '../stream/pgoutput.js';

/** A table whose buckets depend on the tracked one, and the column that names its rows. */
export interface Dependent {
  readonly table: SyncTable;
  readonly fkColumn: string;
}

/** How the consumer handles the changes of one relation. */
export interface TrackedTable {
  /** The synced table, if the relation is one. */
  readonly table: SyncTable | null;
  readonly dependents: readonly Dependent[];
  readonly columns: ReadonlySet<string> | 'all';
}

/** The relations that the consumer follows: the synced tables and their bucket sources. */
export class TrackedTables {
  private readonly byRelation = new Map<string, TrackedTable>();
  /** The relations' present columns, except generated ones. */
  private readonly present = new Map<string, readonly string[]>();
  /** Of those, the ones that are `char(n)`, if only through a domain. */
  private readonly padded = new Map<string, ReadonlySet<string>>();

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
    return this.needsAllColumns(table) ? 'all' : this.namedColumns(table);
  }

  /**
   * Whether statements may be under way while rules are asked: a bucket function runs in the same session, and what it
   * fails for would fail them, too (25P02).
   */
  get allowsPrefetch(): boolean {
    return this.registry.all().every(({ bucketFunction }) => bucketFunction === null);
  }

  /**
   * The columns of a synced table that are read from it, quoted: what the stream would have. Without generated ones, which
   * it has not; a virtual one may fail whenever it is read (hazard W-HOST-1).
   */
  readListSql(table: SyncTable): string {
    const columns = this.columnsOf(table);
    const list = columns === 'all' ? this.present.get(key(table.schema, table.name)) : columns;
    return list === undefined ? '*' : [...list].map(quoteIdentifier).join(', ');
  }

  /** The columns without which nothing can be said of a relation's changes. */
  requiredColumns(schema: string, relation: string): ReadonlySet<string> {
    const found = this.find(schema, relation);
    return new Set([
      ...(found?.table ? this.namedColumns(found.table) : []),
      ...(found?.dependents ?? []).map(({ fkColumn }) => fkColumn),
    ]);
  }

  /** Records a relation's present columns; {@link isPartial} compares the stream with them. */
  recordPresentColumns(
    schema: string,
    relation: string,
    columns: readonly string[],
    padded: readonly string[],
  ): void {
    this.present.set(key(schema, relation), columns);
    this.padded.set(key(schema, relation), new Set(padded));
  }

  /**
   * The columns whose values lose their trailing blanks: each `char(n)`, and each that names rows whose key is one, with
   * which PostgreSQL compares it as such (`varchar = char` does not see them).
   */
  readonly paddedColumns: PaddedColumns = (schema, relation) => {
    const found = this.find(schema, relation);
    const { parent = null, parentFkColumn = null } = found?.table ?? {};
    const keys = [
      ...(parent === null ? [] : [{ table: this.registry.get(parent), fkColumn: parentFkColumn ?? '' }]),
      ...(found?.dependents ?? []),
    ].filter(({ table }) => this.padded.get(key(table.schema, table.name))?.has(table.idColumn) === true);
    return new Set([
      ...(this.padded.get(key(schema, relation)) ?? []),
      ...keys.map(({ fkColumn }) => fkColumn),
    ]);
  };

  /**
   * Whether rows of a relation, as the stream describes it, lack a column that a rule may read: they were written
   * before it was added or renamed, or a column list of the publication leaves it out.
   */
  isPartial({ schema, name, positions }: Relation): boolean {
    const columns = this.find(schema, name)?.columns;
    const needed = columns === 'all' ? this.present.get(key(schema, name)) : columns;
    for (const column of needed ?? []) if (!positions.has(column)) return true;
    return false;
  }

  private namedColumns(table: SyncTable): ReadonlySet<string> {
    const { idColumn, updatedAtColumn, deletedAtColumn, parentFkColumn } = table;
    const structure = [idColumn, updatedAtColumn, deletedAtColumn, parentFkColumn];
    return new Set([...structure.filter((name) => name !== null), ...bucketColumns(table)]);
  }

  /** Other relations are not decoded at all. */
  private readonly choose: ColumnChoice = (schema, name) => this.find(schema, name)?.columns ?? null;

  /** For the decoder of the stream. */
  readonly decoding = { columns: this.choose, padded: this.paddedColumns };
}

function key(schema: string, relation: string): string {
  return JSON.stringify([schema, relation]);
}
