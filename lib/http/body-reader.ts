import { Inject, Injectable } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { SYNCHRO_OPTIONS, type SynchroOptions } from '../synchro.options.js';
import { DEFAULT_MAX_BODY_BYTES } from './collect-body.js';
import { readExpressBodies } from './express-bodies.js';
import { readFastifyBodies, type FastifyInstance } from './fastify-bodies.js';
import { SYNC_PATH } from './sync-path.token.js';

/**
 * Reads the sync routes' bodies itself: Nest's own parsers stop at 100 kB and turn 64-bit integers into doubles.
 * Installed from a provider's constructor, which runs before Nest installs those; other routes keep them.
 */
@Injectable()
export class BodyReader {
  constructor(
    host: HttpAdapterHost,
    @Inject(SYNC_PATH) path: string,
    @Inject(SYNCHRO_OPTIONS) options: SynchroOptions,
  ) {
    const adapter = host.httpAdapter;
    // An application context without HTTP (a worker) has no adapter.
    if (!adapter) return;
    const route = new RegExp(`(^|/)${escapeRegExp(path)}/(register|pull|push|snapshot)/?$`);
    const maxBytes = options.maxBodyBytes ?? DEFAULT_MAX_BODY_BYTES;
    if (adapter.getType() === 'fastify') {
      readFastifyBodies(adapter.getInstance<FastifyInstance>(), route, maxBytes);
    } else readExpressBodies(adapter, route, maxBytes);
  }
}

function escapeRegExp(text: string): string {
  return text.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`);
}
