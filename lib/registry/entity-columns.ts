import type { EntityMetadata } from 'typeorm';

/** Finds an entity's columns by what the user wrote: the database column or the entity's property. */
export class EntityColumns {
  constructor(
    private readonly metadata: EntityMetadata,
    private readonly problems: string[],
  ) {}

  /** The database column; a name that is neither is a problem that lists the columns there are. */
  named(option: string, name: string): string {
    const { columns } = this.metadata;
    const found =
      columns.find((column) => column.databaseName === name) ??
      columns.find((column) => column.propertyPath === name);
    if (found) return found.databaseName;
    const known = columns.map((column) => column.databaseName).join(', ');
    this.problems.push(
      `${this.metadata.name}: ${option}: there is no column or property ${name}; its columns are ${known}`,
    );
    return name;
  }

  optional(option: string, name: string | undefined): string | null {
    return name === undefined ? null : this.named(option, name);
  }
}
