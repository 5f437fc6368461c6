import {
  Inject,
  Injectable,
  Optional,
  type CanActivate,
  type ExecutionContext,
  type InjectionToken,
  type OnModuleInit,
  type Type,
} from '@nestjs/common';
import { SyncLogger } from '../../common/sync-logger.js';
import { SYNCHRO_OPTIONS } from '../../settings/synchro.options.js';
import type { SynchroSettings } from '../../settings/synchro.settings.js';

/**
 * Options as they are, or a factory with what it needs from the module that uses the guard, e.g.
 * `{ inject: [ConfigService], useFactory: (config: ConfigService) => ({ secret: config.getOrThrow('JWT_SECRET') }) }`.
 */
export type Configured<Options> = Options | ConfigurationFactory<Options>;

export interface ConfigurationFactory<Options> {
  /** Default: nothing. In `forRoot({ guards })` they come from its `imports`, or from global modules. */
  readonly inject?: readonly InjectionToken[];
  readonly useFactory: (...dependencies: never[]) => Options | Promise<Options>;
}

/**
 * A guard class for one configuration, for `forRoot({ guards: [...] })`, `@UseGuards(...)` and `APP_GUARD` alike. An
 * error of `build` stops the start of the app. It gets the logger of the options where the module that uses the guard
 * knows them: in `forRoot({ guards })`, and where `SynchroModule` is imported or global.
 * @param name the name in Nest's messages
 */
export function configuredGuard<Options>(
  name: string,
  configuration: Configured<Options>,
  build: (options: Options, logger: SyncLogger) => CanActivate,
): Type<CanActivate> {
  const { inject = [], useFactory } = isFactory(configuration)
    ? configuration
    : { useFactory: () => configuration };
  const resolve = useFactory as (...dependencies: unknown[]) => Options | Promise<Options>;

  class ConfiguredGuard implements CanActivate, OnModuleInit {
    private readonly guard: CanActivate | Promise<CanActivate>;

    constructor(...dependencies: unknown[]) {
      const sync = dependencies[inject.length] as Pick<SynchroSettings, 'logger'> | undefined;
      const logger = new SyncLogger(sync?.logger, 'Synchro');
      const options = resolve(...dependencies.slice(0, inject.length));
      this.guard =
        options instanceof Promise ? options.then((each) => build(each, logger)) : build(options, logger);
      // Told by onModuleInit, and by every request; not by an unhandled rejection.
      if (this.guard instanceof Promise) this.guard.catch(() => undefined);
    }

    async onModuleInit(): Promise<void> {
      await this.guard;
    }

    async canActivate(context: ExecutionContext): Promise<boolean> {
      const guard = await this.guard;
      return (await guard.canActivate(context)) === true;
    }
  }
  Injectable()(ConfiguredGuard);
  for (const [index, token] of [...inject, SYNCHRO_OPTIONS].entries())
    Inject(token)(ConfiguredGuard, undefined, index);
  Optional()(ConfiguredGuard, undefined, inject.length);
  Object.defineProperty(ConfiguredGuard, 'name', { value: name });
  return ConfiguredGuard;
}

function isFactory<Options>(
  configuration: Configured<Options>,
): configuration is ConfigurationFactory<Options> {
  return typeof configuration === 'object' && configuration !== null && 'useFactory' in configuration;
}
