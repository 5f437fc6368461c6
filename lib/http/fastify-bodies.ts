import { Readable } from 'node:stream';
import { collectBody } from './collect-body.js';
import { setBody } from './sync-request.js';

/** As much of Fastify as is needed here. */
export interface FastifyInstance {
  addHook(name: 'onRoute', hook: (route: FastifyRoute) => void): unknown;
}

interface FastifyRoute {
  readonly path: string;
  preParsing?: unknown;
}

interface FastifyRequest {
  readonly headers: Record<string, string | string[] | undefined>;
}

/**
 * Fastify parses a body on its own terms: it is given an empty object in place of the bytes that are kept.
 * @param routes matches the paths of the sync routes
 */
export function readFastifyBodies(fastify: FastifyInstance, routes: RegExp, maxBytes: number): void {
  fastify.addHook('onRoute', (route) => {
    if (!routes.test(route.path)) return;
    route.preParsing = (request: FastifyRequest, _reply: unknown, payload: Readable) =>
      keepBytes(request, payload, maxBytes);
  });
}

async function keepBytes(request: FastifyRequest, payload: Readable, maxBytes: number): Promise<Readable> {
  const { headers } = request;
  setBody(request, await collectBody(payload, headers['content-encoding'], maxBytes));
  // The contract ignores the content type; Fastify would refuse one that it has no parser for.
  headers['content-type'] = 'application/json';
  headers['content-length'] = String(STAND_IN.length);
  return Readable.from([STAND_IN]);
}

const STAND_IN = Buffer.from('{}');
