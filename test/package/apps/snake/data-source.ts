import { DataSource, type DataSourceOptions } from 'typeorm';
import { PostEntity, PostTranslationEntity, UserEntity } from './entities.js';
import { SnakeNamingStrategy } from './snake-naming.strategy.js';

export const options: DataSourceOptions = {
  type: 'postgres',
  url: process.env['DATABASE_URL'] ?? '',
  entities: [UserEntity, PostEntity, PostTranslationEntity],
  namingStrategy: new SnakeNamingStrategy(),
};

export const dataSource = new DataSource(options);
