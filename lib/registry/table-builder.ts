import type { DataSource, EntityMetadata } from 'typeorm';
import { parseQualifiedName, quoteRelation } from '../common/identifiers.js';
import { bucketInference } from './buckets/bucket-inference.js';
import type { EntityClass } from './entity-class.js';
import { databaseColumns, EntityColumns } from './entity-columns.js';
import { embeddedProblems, treeProblems } from './entity-problems.js';
import { resolveMembers } from './buckets/members.js';
import { longColumnProblems } from './name-problems.js';
import { syncIdFix } from './sync-id-fix.js';
import type { RegistryProblem } from './sync-registry.js';
import { syncTableOptions } from './sync-table.decorator.js';
import type { SyncTableOptions } from './sync-table.options.js';
import { DELETED_AT, UPDATED_AT } from './time-names.js';
import type { SqlFunction, ResolvedBucketSource, SyncTable } from './sync-table.js';
import { unserializedColumns } from './unserialized-columns.js';

export interface Decorated {
  readonly metadata: EntityMetadata;
  readonly options: SyncTableOptions;
}

/** Makes a table of the registry from what TypeORM knows and what `@SyncTable` says; what is wrong becomes a problem. */
export class TableBuilder {
  private readonly metadata: EntityMetadata;
  private readonly options: SyncTableOptions;
  private readonly columns: EntityColumns;

  constructor(
    private readonly dataSource: DataSource,
    { metadata, options }: Decorated,
    private readonly defaultSchema: string,
    private readonly problems: RegistryProblem[],
  ) {
    this.metadata = metadata;
    this.options = options;
    this.columns = new EntityColumns(metadata, problems);
  }

  build(depth: number): SyncTable {
    const { metadata, options, columns } = this;
    const schema = metadata.schema ?? this.defaultSchema;
    const idColumn =
      options.idColumn === undefined ? this.primaryKey() : columns.named('idColumn', options.idColumn);
    const updatedAtColumn =
      columns.optional('updatedAtColumn', options.updatedAtColumn) ??
      metadata.updateDateColumn?.databaseName ??
      columns.conventional(UPDATED_AT);
    const deletedAtColumn =
      columns.optional('deletedAtColumn', options.deletedAtColumn) ??
      metadata.deleteDateColumn?.databaseName ??
      columns.conventional(DELETED_AT);
    const ownerColumn = columns.optional('ownerColumn', options.ownerColumn);
    const parent = this.parent();
    const parentFkColumn = parent === null ? null : this.parentFkColumn(parent);
    const versionColumn = metadata.versionColumn?.databaseName ?? null;
    const syncColumns = options.syncColumns?.map((column) => columns.named('syncColumns', column)) ?? null;
    const createdAtColumn = metadata.createDateColumn?.databaseName ?? 'created_at';
    const times = [createdAtColumn, updatedAtColumn, deletedAtColumn];
    const own = [idColumn, ownerColumn, parentFkColumn, versionColumn, ...times].filter(
      (column) => column !== null,
    );
    const protectedByHost = (options.protectedColumns ?? []).map((column) =>
      columns.named('protectedColumns', column),
    );
    for (const column of protectedByHost) {
      if (own.includes(column) && column !== parentFkColumn) {
        this.problem('protectedColumns', `${column} is always protected`, 'remove it from the list');
      }
    }
    const members = resolveMembers(this.dataSource, { metadata, options }, this.defaultSchema, this.problems);
    const writeFunction = this.sqlFunction('writeFunction');
    if (members !== null && writeFunction !== null)
      this.problem('writeFunction', 'members say who writes, too', 'remove one of them');
    const isWritable = [ownerColumn, parent, members, writeFunction].some((rule) => rule !== null);
    const pushPolicy = options.pushPolicy ?? (isWritable ? 'owner_only' : 'disabled');
    this.problems.push(
      ...treeProblems(metadata, pushPolicy),
      ...embeddedProblems(metadata),
      ...longColumnProblems(
        metadata.name,
        databaseColumns(metadata).map((column) => column.databaseName),
      ),
    );
    return {
      name: metadata.tableName,
      entity: metadata.name,
      schema,
      sql: this.sql,
      pushPolicy,
      idColumn,
      clientKeys: options.clientKeys ?? false,
      updatedAtColumn,
      deletedAtColumn,
      versionColumn,
      ownerColumn,
      parent: parent?.tableName ?? null,
      parentFkColumn,
      dependencies: (options.dependencies ?? []).flatMap((entity) => this.tableName(entity())).toSorted(),
      syncColumns,
      hiddenColumns: this.hiddenColumns([idColumn, updatedAtColumn, deletedAtColumn]),
      unserializedColumns: unserializedColumns(metadata),
      protectedColumns: new Set([...own, ...protectedByHost]),
      ...bucketInference(options, {
        ownerColumn,
        bucketByColumn: columns.optional('bucketByColumn', options.bucketByColumn),
        members,
      }),
      bucketFunction: this.sqlFunction('bucketFunction'),
      bucketSources: this.bucketSources(),
      members,
      writeFunction,
      depth,
    };
  }

  /** @param required columns that devices can't be without */
  private hiddenColumns(required: readonly (string | null)[]): readonly string[] {
    const { excludeColumns = [], syncColumns } = this.options;
    const excluded = excludeColumns.map((column) => this.columns.named('excludeColumns', column));
    if (excludeColumns.length > 0 && syncColumns !== undefined)
      this.problem('excludeColumns', 'syncColumns says which columns are synced already', 'give one of them');
    for (const column of excluded.filter((name) => required.includes(name)))
      this.problem('excludeColumns', `${column} is always synced`, 'remove it from the list');
    const unselected = this.metadata.columns.filter((column) => !column.isSelect);
    return [...unselected.map((column) => column.databaseName), ...excluded];
  }

  private get sql(): string {
    return quoteRelation(this.metadata.schema ?? this.defaultSchema, this.metadata.tableName);
  }

  private sqlFunction(option: 'bucketFunction' | 'writeFunction'): SqlFunction | null {
    const text = this.options[option];
    if (text === undefined) return null;
    const name = parseQualifiedName(text);
    // Of no search path: one that changes later would leave rows in buckets that their rule no longer names.
    if (name) return { text, ...name, schema: name.schema ?? this.defaultSchema };
    this.problem(
      option,
      `${JSON.stringify(text)} is no name of a function`,
      'give its name alone, like app.task_buckets',
    );
    return null;
  }

  private primaryKey(): string {
    const [key, ...more] = this.metadata.primaryColumns;
    if (key && more.length === 0) return key.databaseName;
    const columns = this.metadata.primaryColumns.map((column) => column.databaseName).join(', ');
    this.problem(
      'idColumn',
      `its primary key is (${columns}), but clients know a record by one column`,
      syncIdFix({ sql: this.sql, name: this.metadata.tableName }),
    );
    return key?.databaseName ?? 'id';
  }

  private parent(): EntityMetadata | null {
    const target = this.options.parent?.();
    if (target === undefined) return null;
    const metadata = this.entity(target);
    if (metadata && syncTableOptions(target) !== undefined) return metadata;
    this.problem(
      'parent',
      `${target.name} is not registered for sync`,
      `decorate ${target.name} with @SyncTable()`,
    );
    return null;
  }

  private parentFkColumn(parent: EntityMetadata): string {
    const references = this.metadata.relations
      .filter(
        ({ inverseEntityMetadata, joinColumns }) =>
          inverseEntityMetadata === parent && joinColumns.length === 1,
      )
      .flatMap(({ joinColumns }) => joinColumns);
    const named = this.columns.optional('parentFkColumn', this.options.parentFkColumn);
    const [column, ...others] = references.filter(
      ({ databaseName }) => databaseName === (named ?? databaseName),
    );
    if (column && (named !== null || others.length === 0)) {
      this.checkReference(parent, column);
      return column.databaseName;
    }
    if (named !== null) return named;
    const found = references.length === 0 ? 'there is no relation' : 'there are several relations';
    this.problem('parentFkColumn', `${found} to ${parent.name}`, 'name the foreign key column');
    return '';
  }

  /** A child names its parent as devices know it: by another unique column, no parent would be found, or a wrong one. */
  private checkReference(
    parent: EntityMetadata,
    { databaseName, referencedColumn }: EntityMetadata['columns'][number],
  ): void {
    const { idColumn } = syncTableOptions(parent.target as EntityClass) ?? {};
    const id =
      new EntityColumns(parent, []).optional('idColumn', idColumn) ?? parent.primaryColumns[0]?.databaseName;
    if (referencedColumn === undefined || referencedColumn.databaseName === id) return;
    this.problem(
      'parentFkColumn',
      `${databaseName} holds ${referencedColumn.databaseName} of ${parent.name}, which devices know by ${id ?? ''}`,
      `add a column that refers to ${id ?? ''}: @ManyToOne(() => ${parent.name}) @JoinColumn({ name: '…', referencedColumnName: '…' }), and name it parentFkColumn`,
    );
  }

  private bucketSources(): readonly ResolvedBucketSource[] {
    return (this.options.bucketSources ?? []).flatMap((source) => {
      const metadata = this.entity(source.entity());
      if (!metadata) {
        const name = source.entity().name;
        this.problem(
          'bucketSources',
          `${name} is no entity of the DataSource`,
          `add ${name} to its entities`,
        );
        return [];
      }
      const fkColumn = new EntityColumns(metadata, this.problems).named(
        'bucketSources.fkColumn',
        source.fkColumn,
      );
      return [{ schema: metadata.schema ?? this.defaultSchema, relation: metadata.tableName, fkColumn }];
    });
  }

  private tableName(target: EntityClass): readonly string[] {
    const metadata = this.entity(target);
    if (metadata) return [metadata.tableName];
    this.problem('dependencies', `${target.name} is no entity of the DataSource`, 'remove it');
    return [];
  }

  private entity(target: EntityClass): EntityMetadata | undefined {
    return this.dataSource.entityMetadatas.find((metadata) => metadata.target === target);
  }

  private problem(option: string, what: string, fix: string): void {
    this.problems.push({
      code: 'configuration_invalid',
      entity: this.metadata.name,
      option,
      message: what,
      fix: fix,
    });
  }
}
