import {
  Catch,
  ClassSerializerInterceptor,
  HttpException,
  Injectable,
  ValidationPipe,
  VersioningType,
  type ArgumentsHost,
  type CanActivate,
  type ExceptionFilter,
  type ExecutionContext,
  type INestApplication,
} from '@nestjs/common';
import { APP_GUARD, HttpAdapterHost, Reflector } from '@nestjs/core';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { getDataSourceToken } from '@nestjs/typeorm';
import { map } from 'rxjs';
import type { DataSource } from 'typeorm';
import { startPostgres, type PostgresServer } from '../../sample-app/postgres/server.js';
import { startApp, type AppOptions, type RunningApp } from './app.js';
import { createDatabase, type TestDatabase } from './database.js';
import { temporaryFolder } from './temporary-folder.js';

export const PLATFORMS = {
  Express: {},
  Fastify: { adapter: 'fastify' },
  'Express, altered': { altered: true },
  'Fastify, altered': { adapter: 'fastify', altered: true },
} as const;
export type Platform = keyof typeof PLATFORMS;

/** An app that the golden files are held against. */
export interface ContractHost {
  /** Stands before `/sync`. */
  readonly url: string;
  readonly app: RunningApp;
  readonly database: TestDatabase;
}

/** Every kind of host on every platform, each started when it is first asked for. */
export class ContractHosts {
  private readonly hosts = new Map<string, Promise<ContractHost>>();
  private readonly databases = new Map<string, Promise<TestDatabase>>();
  private readonly pools: DataSource[] = [];
  private server: PostgresServer | null = null;

  start(platform: Platform, kind = 'working'): Promise<ContractHost> {
    const key = `${platform} ${kind}`;
    const host = this.hosts.get(key) ?? this.startKind(platform, kind);
    this.hosts.set(key, host);
    return host;
  }

  async close(): Promise<void> {
    // The apps destroy them again.
    for (const pool of this.pools) await pool.initialize();
    for (const host of await Promise.all(this.hosts.values())) await host.app.close();
    for (const database of await Promise.all(this.databases.values())) await database.drop();
    this.server?.destroySync();
  }

  private async startKind(platform: Platform, kind: string): Promise<ContractHost> {
    switch (kind) {
      case 'working':
        return this.startOn(platform, await this.database(kind, prepareWorking), {
          replication: platform === 'Express' ? undefined : false,
        });
      case 'knowing nobody':
        return this.startOn(platform, await this.database('working', prepareWorking), {
          guards: [],
          userId: () => undefined,
          replication: false,
        });
      case 'waiting for the first consumer':
        return this.startOn(platform, await this.database(kind), { replication: false });
      case 'with a table that can not be synced': {
        const database = await this.database(kind);
        const host = await this.startOn(platform, database, { replication: false });
        await database.query('ALTER TABLE tasks ADD COLUMN IF NOT EXISTS price money');
        return host;
      }
      case 'whose pool is closed': {
        const host = await this.startOn(platform, await this.database('working', prepareWorking), {
          replication: false,
        });
        const pool = host.app.app.get<DataSource>(getDataSourceToken(), { strict: false });
        await pool.destroy();
        this.pools.push(pool);
        return host;
      }
      case 'whose server is stopped':
        return this.startStopped(platform);
      default:
        throw new Error(`There is no host ${kind}.`);
    }
  }

  /** All platforms at once, as the server stops under all of them. */
  private async startStopped(wanted: Platform): Promise<ContractHost> {
    this.server = await startPostgres({ dataDir: await temporaryFolder(), durable: false });
    const database = await createDatabase(this.server.url);
    for (const platform of Object.keys(PLATFORMS) as Platform[]) {
      const host = await this.startOn(platform, database, { replication: false });
      this.hosts.set(`${platform} whose server is stopped`, Promise.resolve(host));
    }
    await this.server.stop('fast');
    return this.start(wanted, 'whose server is stopped');
  }

  private database(
    kind: string,
    prepare: (database: TestDatabase) => Promise<void> = async () => {},
  ): Promise<TestDatabase> {
    const made = this.databases.get(kind) ?? createDatabase().then(async (d) => prepare(d).then(() => d));
    this.databases.set(kind, made);
    return made;
  }

  private async startOn(
    platform: Platform,
    database: TestDatabase,
    { replication, ...synchro }: AppOptions['synchro'] & object,
  ): Promise<ContractHost> {
    const { adapter, altered }: { readonly adapter?: string; readonly altered?: boolean } =
      PLATFORMS[platform];
    const app = await startApp({
      database,
      synchro: {
        minClientVersion: '1.2.0',
        retryAfter: 10,
        maxPushChanges: 4,
        ...(replication !== undefined && { replication }),
        ...synchro,
      },
      ...(adapter === 'fastify' && { adapter: new FastifyAdapter() }),
      ...(altered === true && {
        configure: alter,
        host: { providers: [{ provide: APP_GUARD, useClass: LookingGuard }] },
      }),
    });
    return { url: altered === true ? `${app.url}/api` : app.url, app, database };
  }
}

/** Makes each of a change's SQL failures possible. */
async function prepareWorking(database: TestDatabase): Promise<void> {
  await database.query(`CREATE FUNCTION host_rules() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      IF NEW.title = 'unlucky' THEN RAISE EXCEPTION 'a fault of the host''s' USING ERRCODE = 'P0001'; END IF;
      RETURN NEW;
    END $$`);
  await database.query(`CREATE FUNCTION host_tables() RETURNS event_trigger LANGUAGE plpgsql AS $$
    BEGIN
      IF EXISTS (SELECT FROM pg_class WHERE relname = 'tasks' AND relkind = 'r')
         AND NOT EXISTS (SELECT FROM pg_trigger WHERE tgname = 'host_rules') THEN
        CREATE TRIGGER host_rules BEFORE INSERT OR UPDATE ON tasks FOR EACH ROW EXECUTE FUNCTION host_rules();
        ALTER TABLE tasks ADD CONSTRAINT kept CHECK (title <> 'kept' OR deleted_at IS NULL);
      END IF;
    END $$`);
  await database.query(
    `CREATE EVENT TRIGGER host_tables ON ddl_command_end WHEN tag IN ('CREATE TABLE') EXECUTE FUNCTION host_tables()`,
  );
}

/** All that a host can do to every route at once. */
function alter(app: INestApplication): void {
  app.setGlobalPrefix('api');
  app.enableVersioning({ type: VersioningType.URI, defaultVersion: '1' });
  app.useGlobalPipes(
    new ValidationPipe({ whitelist: true, forbidNonWhitelisted: true, transform: true, transformerPackage }),
  );
  app.useGlobalInterceptors(
    { intercept: (_context, next) => next.handle().pipe(map((data: unknown) => ({ data }))) },
    new ClassSerializerInterceptor(app.get(Reflector), { transformerPackage }),
  );
  app.useGlobalFilters(new TeapotFilter(app.get(HttpAdapterHost)));
  app.useGlobalGuards(new LookingGuard());
}

/** As much of class-transformer as the pipe and the interceptor need. */
const transformerPackage = {
  plainToInstance: (Type: new () => object, plain: object) => Object.assign(new Type(), plain),
  classToPlain: (value: unknown) => value,
};

/** Looks into bodies, as guards of hosts do. */
@Injectable()
class LookingGuard implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    const request = context.switchToHttp().getRequest<{ method: string; body?: { blocked?: boolean } }>();
    return request.method !== 'POST' || (request.body as { blocked?: boolean }).blocked !== true;
  }
}

@Catch()
class TeapotFilter implements ExceptionFilter {
  constructor(private readonly host: HttpAdapterHost) {}

  catch(error: unknown, host: ArgumentsHost): void {
    const status = error instanceof HttpException ? error.getStatus() : 418;
    const { httpAdapter } = this.host;
    httpAdapter.reply(host.switchToHttp().getResponse(), { teapot: true }, status);
  }
}
