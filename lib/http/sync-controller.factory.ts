import { Controller, UseGuards, VERSION_NEUTRAL, type Type } from '@nestjs/common';
import type { SynchroModuleExtras } from '../settings/synchro.options.js';
import { DefaultTag } from './openapi/swagger-metadata.js';
import { SyncController } from './sync.controller.js';

/**
 * A controller class for one `forRoot`, with its path, guards and decorators: decorating the shared class would mix two
 * apps in one process. The route keeps its path under URI versioning.
 */
export function syncControllerFor(
  path: string,
  { guards = [], decorators = [] }: Pick<SynchroModuleExtras, 'guards' | 'decorators'>,
): Type<SyncController> {
  @Controller({ path, version: VERSION_NEUTRAL })
  @UseGuards(...guards)
  class ConfiguredSyncController extends SyncController {}
  for (const decorate of decorators) decorate(ConfiguredSyncController);
  DefaultTag(ConfiguredSyncController);
  return ConfiguredSyncController;
}
