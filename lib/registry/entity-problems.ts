import type { EntityMetadata } from 'typeorm';
import type { SynchroProblem } from '../common/errors.js';
import { databaseColumns } from './entity-columns.js';
import type { SyncTableOptions } from './sync-table.options.js';

/** The reason why an entity can't be a synced table with any options; null when it can. */
export function entityProblem(metadata: EntityMetadata): SynchroProblem | null {
  switch (metadata.tableType) {
    case 'view':
      return problem(
        metadata,
        '@SyncTable',
        'it is a view, whose changes are not in the write-ahead log',
        'decorate the entities of the tables that it reads instead',
      );
    case 'entity-child': {
      const root = metadata.parentEntityMetadata.name;
      return problem(
        metadata,
        '@SyncTable',
        `its rows are in the table of ${root}, with those of its siblings (single-table inheritance)`,
        `decorate ${root} instead: devices get the columns of all kinds, and the discriminator`,
      );
    }
    default:
      return null;
  }
}

/** Features of TypeORM that sync does not apply when devices push into the table. */
export function treeProblems(
  metadata: EntityMetadata,
  pushPolicy: SyncTableOptions['pushPolicy'],
): readonly SynchroProblem[] {
  const { treeType } = metadata;
  if (treeType === undefined || treeType === 'adjacency-list' || pushPolicy === 'disabled') return [];
  return [
    problem(
      metadata,
      '@Tree',
      `its ${treeType} is kept by TypeORM alone, so that what devices push would be missing from it`,
      `set pushPolicy: 'disabled', or keep the tree as a plain parent column (@Tree('adjacency-list'), or @ManyToOne)`,
    ),
  ];
}

/** Two embedded entities, or one and the entity itself, that write one column. */
export function embeddedProblems(metadata: EntityMetadata): readonly SynchroProblem[] {
  const columns = databaseColumns(metadata);
  return columns.flatMap((column, index) => {
    const other = columns
      .slice(0, index)
      .find(
        (earlier) =>
          earlier.databaseName === column.databaseName && earlier.propertyPath !== column.propertyPath,
      );
    // The children of single-table inheritance may share a column.
    if (!other || !(other.embeddedMetadata ?? column.embeddedMetadata)) return [];
    return [
      problem(
        metadata,
        column.databaseName,
        `${other.propertyPath} and ${column.propertyPath} are the same column`,
        'give one of the embedded entities a prefix of its own: @Column(() => …, { prefix: … })',
      ),
    ];
  });
}

/**
 * Links that no device will see: the table between the two sides of a `@ManyToMany` has no row times and no key of
 * one column. Silent when an entity of its own stands for it, which is how links are synced.
 */
export function manyToManyWarnings(
  metadata: EntityMetadata,
  isSynced: (tablePath: string) => boolean,
): readonly SynchroProblem[] {
  return metadata.manyToManyRelations
    .filter(
      ({ isOwning, junctionEntityMetadata: junction }) =>
        isOwning && junction !== undefined && !isSynced(junction.tablePath),
    )
    .map(({ propertyPath, junctionEntityMetadata: junction }) =>
      problem(
        metadata,
        propertyPath,
        `its links in the table ${junction?.tableName ?? ''} are not synced`,
        'where devices need them, make the link an entity with a key of one column (docs/tables-and-buckets.md#keys), and decorate it with @SyncTable()',
      ),
    );
}

function problem(metadata: EntityMetadata, option: string, message: string, fix: string): SynchroProblem {
  return { code: 'configuration_invalid', entity: metadata.name, option, message, fix };
}
