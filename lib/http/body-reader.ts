import { Injectable } from '@nestjs/common';
import { HttpAdapterHost, ModulesContainer } from '@nestjs/core';
import { readExpressBodies } from './express-bodies.js';
import { readFastifyBodies, type FastifyInstance } from './fastify-bodies.js';
import { syncRoutes } from './sync-routes.js';

/**
 * Reads the sync routes' bodies itself: Nest's own parsers stop at 100 kB and turn 64-bit integers into doubles.
 * Installed from a provider's constructor, which runs before Nest installs those; other routes keep them.
 */
@Injectable()
export class BodyReader {
  constructor(host: HttpAdapterHost, modules: ModulesContainer) {
    const adapter = host.httpAdapter;
    // An application context without HTTP (a worker) has no adapter.
    if (!adapter) return;
    const routes = syncRoutes(modules);
    if (adapter.getType() === 'fastify') readFastifyBodies(adapter.getInstance<FastifyInstance>(), routes);
    else readExpressBodies(adapter, routes);
  }
}
