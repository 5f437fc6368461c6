import type { DataSource } from 'typeorm';

/** The database that a DataSource is connected to: TypeORM's driver knows it once it is initialised. */
export function databaseName({ driver }: Pick<DataSource, 'driver'>): string {
  if (driver.database !== undefined) return driver.database;
  throw new TypeError('the DataSource does not say which database it is connected to: initialise it first');
}
