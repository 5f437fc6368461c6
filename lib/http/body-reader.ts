import { Inject, Injectable } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { readExpressBodies } from './express-bodies.js';
import { readFastifyBodies, type FastifyInstance } from './fastify-bodies.js';
import { SYNC_PATH } from './sync-path.token.js';

/**
 * Reads the sync routes' bodies itself: Nest's own parsers stop at 100 kB and turn 64-bit integers into doubles.
 * Installed from a provider's constructor, which runs before Nest installs those; other routes keep them.
 */
@Injectable()
export class BodyReader {
  constructor(host: HttpAdapterHost, @Inject(SYNC_PATH) path: string) {
    const adapter = host.httpAdapter;
    // An application context without HTTP (a worker) has no adapter.
    if (!adapter) return;
    const route = new RegExp(`(^|/)${escapeRegExp(path)}/(register|pull|push|snapshot)/?$`);
    if (adapter.getType() === 'fastify') readFastifyBodies(adapter.getInstance<FastifyInstance>(), route);
    else readExpressBodies(adapter, route);
  }
}

function escapeRegExp(text: string): string {
  return text.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`);
}
