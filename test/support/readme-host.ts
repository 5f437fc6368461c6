import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { DynamicModule, INestApplication, ModuleMetadata } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { SyncDevice, caughtUp } from 'nestjs-synchro/testing';
import type { EntityClass } from 'nestjs-synchro';
import { DataSource } from 'typeorm';
import { startPostgres, type PostgresServer } from '../../sample-app/postgres/server.js';
import { startApp } from './app.js';
import { createDatabase, type TestDatabase } from './database.js';
import type { CompiledReadme } from './readme.js';
import { testRun } from './run.js';

/** An app around an example's `sync`, on a database of its own. */
export interface ReadmeHost {
  readonly url: string;
  readonly app: INestApplication;
  readonly database: TestDatabase;
  /** A device of a user's that has started. */
  readonly device: (userId: string, headers?: Readonly<Record<string, string>>) => Promise<SyncDevice>;
  /** Resolves once what was written can be pulled. */
  readonly caughtUp: () => Promise<void>;
}

export interface HostOptions {
  /** One that is there, with the tables. Default: a new one, which goes afterwards. */
  readonly database?: TestDatabase;
  readonly entities: readonly EntityClass[];
  readonly host?: Pick<ModuleMetadata, 'imports' | 'providers' | 'controllers'>;
  /** Called before the app starts, once the tables are there. */
  readonly prepare?: (database: TestDatabase) => Promise<void>;
  readonly configure?: (app: INestApplication) => void;
}

/**
 * A server of its own: the examples take the default names of slot and publication, which others on the server of the
 * run might have taken.
 */
export async function startReadmeServer(): Promise<PostgresServer> {
  return startPostgres({ dataDir: join(testRun().folder, 'readme'), durable: false });
}

/** What a compiled example exports. */
export async function load<Exports>(readme: CompiledReadme, file: string, query = ''): Promise<Exports> {
  return (await import(/* @vite-ignore */ pathToFileURL(readme.path(file)).href + query)) as Exports;
}

/** Makes the tables of entities. */
export async function createTables(url: string, entities: readonly EntityClass[]): Promise<void> {
  const dataSource = new DataSource({ type: 'postgres', url, entities: [...entities], synchronize: true });
  await dataSource.initialize();
  await dataSource.destroy();
}

export async function withHost(
  server: PostgresServer,
  sync: DynamicModule,
  options: HostOptions,
  work: (host: ReadmeHost) => Promise<void>,
): Promise<void> {
  if (options.database) return onDatabase(options.database, sync, options, work);
  const database = await createDatabase(server.url);
  try {
    await createTables(database.url, options.entities);
    await options.prepare?.(database);
    await onDatabase(database, sync, options, work);
  } finally {
    await database.drop();
  }
}

async function onDatabase(
  database: TestDatabase,
  sync: DynamicModule,
  { entities, host = {}, configure }: HostOptions,
  work: (host: ReadmeHost) => Promise<void>,
): Promise<void> {
  const typeorm = TypeOrmModule.forRoot({
    type: 'postgres',
    url: database.url,
    entities: [...entities],
    retryAttempts: 1,
  });
  const started = await startApp({
    database,
    module: { module: HostModule, ...host, imports: [typeorm, sync, ...(host.imports ?? [])] },
    ...(configure && { configure }),
  });
  try {
    const { url, app } = started;
    await work({
      url,
      app,
      database,
      device: async (userId, headers = { 'x-user-id': userId }) => {
        const device = new SyncDevice({ target: `${url}/sync`, headers });
        await device.start();
        return device;
      },
      caughtUp: () => caughtUp(app),
    });
  } finally {
    await started.close();
  }
}

class HostModule {}
