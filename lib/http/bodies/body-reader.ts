import { Inject, Injectable } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { SYNCHRO_OPTIONS } from '../../settings/synchro.options.js';
import type { SynchroSettings } from '../../settings/synchro.settings.js';
import { BodyMemory } from './body-memory.js';
import { type ExpressApp, keepExpressBodies } from './express-bodies.js';
import { type FastifyAdapter, keepFastifyBodies } from './fastify-bodies.js';

/**
 * Keeps the sync routes' bodies from Nest's own parsers, which stop at 100 kB, turn 64-bit integers into doubles and
 * read before any guard. Installed from a provider's constructor, which runs before Nest installs those; other routes
 * keep them.
 */
@Injectable()
export class BodyReader {
  constructor(host: HttpAdapterHost, @Inject(SYNCHRO_OPTIONS) { maxBodyBytes, limits }: SynchroSettings) {
    const adapter = host.httpAdapter;
    // An application context without HTTP (a worker) has no adapter.
    if (!adapter) return;
    const bodyLimits = {
      maxBytes: maxBodyBytes,
      timeout: limits.bodyTimeout,
      memory: new BodyMemory(limits.bodyMemory),
    };
    if (adapter.getType() === 'fastify') keepFastifyBodies(adapter as FastifyAdapter, bodyLimits);
    else keepExpressBodies(adapter.getInstance<ExpressApp>(), bodyLimits);
  }
}
