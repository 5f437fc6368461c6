import type { IncomingMessage } from 'node:http';
import { collectBody } from './collect-body.js';
import { setBody } from './sync-request.js';

type Next = (error?: unknown) => void;
type ExpressRequest = IncomingMessage & { _body?: boolean; body?: unknown };
type Middleware = (request: ExpressRequest, response: unknown, next: Next) => void;

/** @param routes matches the paths of the sync routes */
export function readExpressBodies(
  app: { use(middleware: Middleware): unknown },
  routes: RegExp,
  maxBytes: number,
): void {
  app.use((request, _response, next) => {
    const [pathname = ''] = (request.url ?? '').split('?');
    if (request._body === true || !routes.test(pathname)) {
      next();
      return;
    }
    collectBody(request, request.headers['content-encoding'], maxBytes).then((body) => {
      setBody(request, body);
      request._body = true; // Nest's parser passes by
      request.body = {}; // for guards that look into it, as on Fastify
      next();
    }, next);
  });
}
