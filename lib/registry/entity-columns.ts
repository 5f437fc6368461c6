import type { EntityMetadata } from 'typeorm';
import type { RegistryProblem } from './sync-registry.js';

/** Finds an entity's columns by what the user wrote: the database column, the entity's property, or a relation of it. */
export class EntityColumns {
  constructor(
    private readonly metadata: EntityMetadata,
    private readonly problems: RegistryProblem[],
  ) {}

  /**
   * The database column of a name: its own, the path of the property (`address.street` in an embedded entity), or that
   * of a relation which has one join column. A name that is none of these is a problem that lists the columns there are.
   */
  named(option: string, name: string): string {
    const columns = databaseColumns(this.metadata);
    const own = columns.find((column) => column.databaseName === name);
    if (own) return own.databaseName;
    // Before the properties: each join column of a relation has its name.
    const relation = this.metadata.relations.find(({ propertyPath }) => propertyPath === name);
    const found = relation?.joinColumns[0] ?? columns.find((column) => column.propertyPath === name);
    if (relation && relation.joinColumns.length !== 1) return this.noColumn(option, relation);
    if (found) return found.databaseName;
    const known = columns.map((column) => column.databaseName).join(', ');
    this.problems.push({
      code: 'configuration_invalid',
      entity: this.metadata.name,
      option,
      message: `there is no column or property ${name}`,
      fix: `name one of its columns: ${known}`,
      unknownColumn: name,
    });
    return name;
  }

  private noColumn(
    option: string,
    { propertyPath, joinColumns }: EntityMetadata['relations'][number],
  ): string {
    const names = joinColumns.map(({ databaseName }) => databaseName);
    this.problems.push({
      code: 'configuration_invalid',
      entity: this.metadata.name,
      option,
      message: `the relation ${propertyPath} has ${names.length === 0 ? 'no' : 'several'} columns in this table`,
      fix: names.length === 0 ? 'name the side that has the foreign key' : `name one of ${names.join(', ')}`,
      unknownColumn: propertyPath,
    });
    return names[0] ?? propertyPath;
  }

  /** The column of this name, if the entity has it. */
  conventional(name: string): string | null {
    return databaseColumns(this.metadata).some((column) => column.databaseName === name) ? name : null;
  }

  optional(option: string, name: string | undefined): string | null {
    return name === undefined ? null : this.named(option, name);
  }
}

/** The columns that are in the table: a `@VirtualColumn` is a query. */
export function databaseColumns(metadata: EntityMetadata): EntityMetadata['columns'] {
  return metadata.columns.filter((column) => !column.isVirtualProperty);
}
