import { synchroMigrations } from 'nestjs-synchro';
import { DataSource, type DataSourceOptions } from 'typeorm';

/** As the command line of TypeORM wants it, which runs it by ts-node. */
export const options: DataSourceOptions = {
  type: 'postgres',
  url: process.env['DATABASE_URL'] ?? '',
  entities: [`${__dirname}/entities{.ts,.js}`],
  migrations: [`${__dirname}/migration{.ts,.js}`, ...synchroMigrations],
};

export const AppDataSource = new DataSource(options);
