import type { IncomingMessage, ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import type { BodyLimits } from './incoming-body.js';
import { PendingBody } from './pending-body.js';
import { keepBody } from '../sync-request.js';
import { isSyncRoute } from '../sync-route.js';

/** The members of Nest's adapter that are used. */
export interface FastifyAdapter {
  getInstance(): FastifyInstance;
  all: (...args: unknown[]) => unknown;
}

/** The members of Fastify that are used. */
interface FastifyInstance {
  addHook(name: 'onRoute', hook: (route: FastifyRoute) => void): unknown;
}

interface FastifyRoute {
  preParsing?: unknown;
  preHandler?: unknown;
}

interface FastifyRequest {
  readonly raw: IncomingMessage;
  readonly headers: Record<string, string | string[] | undefined>;
}

interface FastifyReply {
  readonly raw: ServerResponse;
}

/** Fastify parses a body on its own terms, before any guard: it is given an empty object in place of the sync routes'. */
export function keepFastifyBodies(adapter: FastifyAdapter, limits: BodyLimits): void {
  const { all } = adapter;
  let isOurs = false;
  // Nest 10 and 11 give Fastify no config of a route of all methods and, where its path has parameters, not its handler.
  adapter.all = (...args) => {
    isOurs = isSyncRoute(args.at(-1));
    try {
      return all.apply(adapter, args);
    } finally {
      isOurs = false;
    }
  };
  adapter.getInstance().addHook('onRoute', (route) => {
    if (!isOurs) return;
    const given = new WeakMap<FastifyRequest, FastifyRequest['headers']>();
    route.preParsing = async (request: FastifyRequest, reply: FastifyReply, payload: Readable) => {
      const exchange = { request: request.raw, response: reply.raw };
      keepBody(request, new PendingBody(exchange, limits, payload));
      const { headers } = request;
      given.set(request, { ...headers });
      // The contract ignores the content type; Fastify would refuse one that it has no parser for.
      headers['content-type'] = 'application/json';
      headers['content-length'] = String(STAND_IN.length);
      return Readable.from([STAND_IN]);
    };
    // For guards.
    route.preHandler = async (request: FastifyRequest) =>
      void Object.assign(request.headers, given.get(request));
  });
}

const STAND_IN = Buffer.from('{}');
