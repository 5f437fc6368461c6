import type { DataSource, EntityMetadata } from 'typeorm';

/** An EntityManager, and what stands in for one: TypeORM 1 says `dataSource`, 0.3 `connection`. */
export interface HasDataSource {
  readonly dataSource?: DataSource;
  readonly connection?: DataSource;
}

export function dataSourceOf(manager: HasDataSource): DataSource {
  const found = manager.dataSource ?? manager.connection;
  if (!found)
    throw new TypeError(
      'an EntityManager has neither dataSource nor connection: TypeORM is of another version',
    );
  return found;
}

/** A value as an entity of the host's has it. @param value as JSON has it */
export function hydrated(
  { driver }: DataSource,
  column: EntityMetadata['columns'][number],
  value: unknown,
): unknown {
  // TypeORM 0.3 leaves what it calls `timestamptz` as the driver read it: as a Date.
  const read = column.type === 'timestamptz' && typeof value === 'string' ? new Date(value) : value;
  return driver.prepareHydratedValue(read, column);
}
