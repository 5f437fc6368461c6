import { ConfigurableModuleBuilder } from '@nestjs/common';
import type { SynchroModuleExtras, SynchroOptions } from './settings/synchro.options.js';

/** The options as they were given. */
export const GIVEN_OPTIONS = Symbol('SYNCHRO_GIVEN_OPTIONS');

/** `forRoot` and `forRootAsync`; extras shape the module, so they stay outside the async factory. */
export const { ConfigurableModuleClass, OPTIONS_TYPE, ASYNC_OPTIONS_TYPE } =
  new ConfigurableModuleBuilder<SynchroOptions>({ optionsInjectionToken: GIVEN_OPTIONS })
    .setClassMethodName('forRoot')
    .setExtras<SynchroModuleExtras>({}, (definition) => definition)
    .build();
