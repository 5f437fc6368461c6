import type { INestApplication, ModuleMetadata, NestApplicationOptions } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { AbstractHttpAdapter } from '@nestjs/core';
import { afterAll } from 'vitest';
import { OwnershipResolver } from '../../lib/index.js';
import { AppModule } from '../../sample-app/app.module.js';
import { SharingResolver } from '../../sample-app/tasks/sharing.resolver.js';
import type { TestDatabase } from './database.js';

type SynchroOptions = NonNullable<Parameters<typeof AppModule.forRoot>[1]>;

export interface AppOptions {
  readonly database: TestDatabase;
  /** Sync options that replace the sample app's own, e.g. `{ minClientVersion: '2.0.0' }`. */
  readonly synchro?: SynchroOptions;
  /** Checks bearer tokens instead of believing the `X-User-ID` header. */
  readonly jwtSecret?: string;
  /** What the host's root module has besides, e.g. providers with hooks. */
  readonly host?: ModuleMetadata;
  /** Replaces the sample app as a whole; `synchro`, `jwtSecret` and `host` are not looked at. */
  readonly module?: Parameters<typeof NestFactory.create>[0];
  /** Of `NestFactory.create`, e.g. `{ rawBody: true }`. */
  readonly nest?: NestApplicationOptions;
  /** Default: Express. */
  readonly adapter?: AbstractHttpAdapter;
  /** Called between `NestFactory.create` and `listen`, e.g. for global pipes. */
  readonly configure?: (app: INestApplication) => void;
}

export interface RunningApp {
  readonly url: string;
  readonly app: INestApplication;
  close(): Promise<void>;
}

const running = new Set<RunningApp>();

/** Ends what a failed test left open; must not hide that test's own failure. */
afterAll(async () => {
  await Promise.allSettled([...running].map((app) => app.close()));
});

/**
 * Runs the sample app in this process on a free port, built like any user's app, but with the default rule of who writes:
 * the app's own is tested in `test/sample-app`.
 */
export async function startApp(options: AppOptions): Promise<RunningApp> {
  const root = options.module ?? sampleAppWithHost(options);
  const settings = { logger: ['error', 'warn', 'fatal'] as const, abortOnError: false };
  const nestOptions = { ...settings, logger: [...settings.logger], ...options.nest };
  const app = options.adapter
    ? await NestFactory.create(root, options.adapter, nestOptions)
    : await NestFactory.create(root, nestOptions);
  try {
    options.configure?.(app);
    await app.listen(0, '127.0.0.1');
  } catch (error) {
    await app.close();
    throw error;
  }
  const started: RunningApp = {
    url: await app.getUrl(),
    app,
    close: async () => {
      if (running.delete(started)) await app.close();
    },
  };
  running.add(started);
  return started;
}

function sampleAppWithHost({
  database,
  synchro,
  jwtSecret,
  host,
}: AppOptions): Parameters<typeof NestFactory.create>[0] {
  const { url: databaseUrl, slotName, publicationName } = database;
  const providers = [{ provide: OwnershipResolver, useClass: SharingResolver }];
  const settings = { databaseUrl, slotName, publicationName, jwtSecret };
  const sample = AppModule.forRoot(settings, { providers, ...synchro });
  return { module: HostModule, ...host, imports: [sample, ...(host?.imports ?? [])] };
}

class HostModule {}
