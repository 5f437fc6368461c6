import type { EntityMetadata } from 'typeorm';
import type { RegistryProblem } from './sync-registry.js';

/** Finds an entity's columns by what the user wrote: the database column or the entity's property. */
export class EntityColumns {
  constructor(
    private readonly metadata: EntityMetadata,
    private readonly problems: RegistryProblem[],
  ) {}

  /**
   * The database column of a name: its own, or the path of the property (`address.street` in an embedded entity). A
   * name that is neither is a problem that lists the columns there are.
   */
  named(option: string, name: string): string {
    const columns = databaseColumns(this.metadata);
    const found =
      columns.find((column) => column.databaseName === name) ??
      columns.find((column) => column.propertyPath === name);
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

  optional(option: string, name: string | undefined): string | null {
    return name === undefined ? null : this.named(option, name);
  }
}

/** The columns that are in the table: a `@VirtualColumn` is a query. */
export function databaseColumns(metadata: EntityMetadata): EntityMetadata['columns'] {
  return metadata.columns.filter((column) => !column.isVirtualProperty);
}
