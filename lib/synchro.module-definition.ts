import { ConfigurableModuleBuilder } from '@nestjs/common';
import { GIVEN_OPTIONS, type SynchroModuleExtras, type SynchroOptions } from './settings/synchro.options.js';

/** `forRoot` and `forRootAsync`; extras shape the module, so they stay outside the async factory. */
export const { ConfigurableModuleClass, OPTIONS_TYPE, ASYNC_OPTIONS_TYPE } =
  new ConfigurableModuleBuilder<SynchroOptions>({ optionsInjectionToken: GIVEN_OPTIONS })
    .setClassMethodName('forRoot')
    .setExtras<SynchroModuleExtras>({}, (definition) => definition)
    .build();
