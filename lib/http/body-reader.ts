import { Inject, Injectable } from '@nestjs/common';
import { HttpAdapterHost, ModulesContainer } from '@nestjs/core';
import { SYNCHRO_OPTIONS, type SynchroOptions } from '../synchro.options.js';
import { DEFAULT_MAX_BODY_BYTES } from './collect-body.js';
import { readExpressBodies } from './express-bodies.js';
import { readFastifyBodies, type FastifyInstance } from './fastify-bodies.js';
import { syncRoutes } from './sync-routes.js';
/**
 * Reads the sync routes' bodies itself: Nest's own parsers stop at 100 kB and turn 64-bit integers into doubles.
 * Installed from a provider's constructor, which runs before Nest installs those; other routes keep them.
 */
@Injectable()
export class BodyReader {
  constructor(
    host: HttpAdapterHost,
    modules: ModulesContainer,
    @Inject(SYNCHRO_OPTIONS) { maxBodyBytes = DEFAULT_MAX_BODY_BYTES }: SynchroOptions,
  ) {
    const adapter = host.httpAdapter;
    // An application context without HTTP (a worker) has no adapter.
    if (!adapter) return;
    const routes = syncRoutes(modules);
    if (adapter.getType() === 'fastify') {
      readFastifyBodies(adapter.getInstance<FastifyInstance>(), routes, maxBodyBytes);
    } else readExpressBodies(adapter, routes, maxBodyBytes);
  }
}
