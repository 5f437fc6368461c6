import type { ModulesContainer } from '@nestjs/core';
import { ENDPOINTS } from './endpoints.js';
import { SyncController } from './sync.controller.js';

/** Under which Nest keeps a controller's path or paths. */
const PATH_METADATA = 'path';

/**
 * Matches the paths of an app's sync routes, whatever prefix and version stands before them: those of the controllers
 * that `forRoot` makes, and of the host's own subclasses.
 */
export function syncRoutes(modules: ModulesContainer): RegExp {
  const controllers = [...modules.values()].flatMap((module) => [...module.controllers.values()]);
  const paths = controllers.flatMap(({ metatype }) =>
    typeof metatype === 'function' && metatype.prototype instanceof SyncController ? pathsOf(metatype) : [],
  );
  // Where there are none, nothing matches.
  return new RegExp(`(?:^|/)(?:${paths.map(pattern).join('|') || '(?!)'})(?:${ENDPOINTS.join('|')})/?$`, 'i');
}

function pathsOf(controller: object): readonly string[] {
  const found: unknown = Reflect.getMetadata(PATH_METADATA, controller);
  return [found].flat().filter((path) => typeof path === 'string');
}

/** A parameter such as `:tenant` is any one segment. */
function pattern(path: string): string {
  const segments = path.split('/').filter((segment) => segment !== '');
  return segments
    .map((segment) => (segment.startsWith(':') ? '[^/]+' : escapeRegExp(segment)))
    .map((segment) => `${segment}/`)
    .join('');
}

function escapeRegExp(text: string): string {
  return text.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`);
}
