import { Controller, UseGuards, VERSION_NEUTRAL, type CanActivate, type Type } from '@nestjs/common';
import { SyncController } from './sync.controller.js';

/**
 * A controller class for one `forRoot`, with its path and guards: decorating the shared class would mix two apps in
 * one process. The route keeps its path under URI versioning.
 */
export function syncControllerFor(
  path: string,
  guards: readonly (Type<CanActivate> | CanActivate)[],
): Type<SyncController> {
  @Controller({ path, version: VERSION_NEUTRAL })
  @UseGuards(...guards)
  class ConfiguredSyncController extends SyncController {}
  return ConfiguredSyncController;
}
