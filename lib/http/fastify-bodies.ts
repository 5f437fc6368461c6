import { Readable } from 'node:stream';
import { sendAnswer, type HttpResponse } from './answer.js';
import { bodyTooLarge, collectBody } from './collect-body.js';
import { setBody } from './sync-request.js';

/** As much of Fastify as is needed here. */
export interface FastifyInstance {
  addHook(name: 'onRoute', hook: (route: FastifyRoute) => void): unknown;
}

interface FastifyRoute {
  readonly path: string;
  bodyLimit?: number;
  preParsing?: unknown;
}

interface FastifyRequest {
  readonly headers: Record<string, string | string[] | undefined>;
}

/**
 * Fastify parses a body on its own terms: it is given an empty object in place of the bytes that are kept.
 * @param route matches the path of a sync route with a body
 */
export function readFastifyBodies(fastify: FastifyInstance, route: RegExp, maxBytes: number): void {
  fastify.addHook('onRoute', (options) => {
    if (!route.test(options.path)) return;
    options.bodyLimit = maxBytes + 1;
    options.preParsing = (request: FastifyRequest, reply: HttpResponse, payload: Readable) =>
      keepBytes(request, reply, payload, maxBytes);
  });
}

async function keepBytes(
  request: FastifyRequest,
  reply: HttpResponse,
  payload: Readable,
  maxBytes: number,
): Promise<Readable | undefined> {
  const body = await collectBody(payload, maxBytes);
  if (body === null) {
    sendAnswer(reply, bodyTooLarge(maxBytes));
    return undefined;
  }
  setBody(request, body);
  // The contract ignores the content type; Fastify would refuse one that it has no parser for.
  request.headers['content-type'] = 'application/json';
  return Object.assign(Readable.from([Buffer.from('{}')]), { receivedEncodedLength: body.length });
}
