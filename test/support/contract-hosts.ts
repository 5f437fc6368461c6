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
  type Type,
} from '@nestjs/common';
import { APP_GUARD, HttpAdapterHost, Reflector } from '@nestjs/core';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { getDataSourceToken } from '@nestjs/typeorm';
import {
  ConflictResolver,
  LwwResolver,
  OwnershipResolver,
  type Conflict,
  type Resolution,
} from 'nestjs-synchro';
import { map } from 'rxjs';
import type { DataSource } from 'typeorm';
import { startPostgres, type PostgresServer } from '../../sample-app/postgres/server.js';
import { SharingResolver } from '../../sample-app/tasks/sharing.resolver.js';
import { startApp, type AppOptions, type RunningApp } from './app.js';
import { createDatabase, type TestDatabase } from './database.js';
import { testFolder } from './run.js';

export const PLATFORMS = {
  Express: {},
  Fastify: { adapter: 'fastify' },
  'Express, altered': { altered: true },
  'Fastify, altered': { adapter: 'fastify', altered: true },
} as const;
export type Platform = keyof typeof PLATFORMS;

const CONSUMER: Platform = 'Express';

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
    if (!this.hosts.has(key)) this.hosts.set(key, host);
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
        return this.startWorking(platform);
      case 'knowing nobody':
        return this.startOn(platform, await this.database('working'), {
          guards: [],
          userId: () => undefined,
          replication: false,
        });
      case 'waiting for the first consumer':
        return this.startOn(platform, await this.database(kind), { replication: false });
      case 'whose pool is closed': {
        const host = await this.startOn(platform, await this.database('working'), {
          replication: false,
        });
        const pool = host.app.app.get<DataSource>(getDataSourceToken(), { strict: false });
        await pool.destroy();
        this.pools.push(pool);
        return host;
      }
      case 'whose server is stopped':
        this.server = await startPostgres({ dataDir: await testFolder(), durable: false });
        await this.startTogether(kind, await createDatabase(this.server.url));
        await this.server.stop('fast');
        return this.start(platform, kind);
      case 'whose manifest is lost': {
        const database = await this.database(kind);
        await this.startTogether(kind, database);
        await database.query('ALTER TABLE sync_schema_manifest RENAME TO lost');
        await database.query('ALTER TABLE tasks ADD COLUMN another text');
        return this.start(platform, kind);
      }
      default:
        throw new Error(`There is no host ${kind}.`);
    }
  }

  /** On all platforms before anything happens, since none could start after it. */
  private async startTogether(kind: string, database: TestDatabase): Promise<void> {
    for (const platform of Object.keys(PLATFORMS) as Platform[]) {
      const host = await this.startOn(platform, database, { replication: false });
      this.hosts.set(`${platform} ${kind}`, Promise.resolve(host));
    }
  }

  /** One instance consumes, for all platforms. */
  private async startWorking(platform: Platform): Promise<ContractHost> {
    const database = await this.database('working');
    if (platform !== CONSUMER) {
      await this.start(CONSUMER);
      return this.startOn(platform, database, { replication: false });
    }
    const host = await this.startOn(platform, database);
    await database.query(`ALTER TABLE tasks ADD CHECK (title <> 'kept' OR deleted_at IS NULL)`);
    return host;
  }

  private database(kind: string): Promise<TestDatabase> {
    const made = this.databases.get(kind) ?? createDatabase();
    this.databases.set(kind, made);
    return made;
  }

  private async startOn(
    platform: Platform,
    database: TestDatabase,
    synchro: AppOptions['synchro'] = {},
  ): Promise<ContractHost> {
    const { adapter, altered }: { readonly adapter?: string; readonly altered?: boolean } =
      PLATFORMS[platform];
    const app = await startApp({
      database,
      synchro: {
        minClientVersion: '1.2.0',
        retryAfter: 10,
        maxPushChanges: 4,
        providers: [
          { provide: OwnershipResolver, useClass: SharingResolver },
          { provide: ConflictResolver, useClass: UnluckyResolver },
        ],
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

/** A resolver of the host's with a fault. */
@Injectable()
class UnluckyResolver extends LwwResolver {
  override resolve(conflict: Conflict): Resolution {
    if (conflict.clientData.includes('unlucky')) throw new Error('a fault of the host');
    return super.resolve(conflict);
  }
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
  plainToInstance: <T>(Class: Type<T>, plain: unknown): T => Object.assign(new Class() as object, plain) as T,
  classToPlain: (value: unknown): object => value as object,
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
