import type { IncomingMessage, ServerResponse } from 'node:http';
import { sendAnswer } from './answer.js';
import { bodyTooLarge, collectBody } from './collect-body.js';
import { setBody } from './sync-request.js';

type Next = (error?: unknown) => void;
type Middleware = (
  request: IncomingMessage & { _body?: boolean },
  response: ServerResponse,
  next: Next,
) => void;

/** @param route matches the path of a sync route with a body */
export function readExpressBodies(
  app: { use(middleware: Middleware): unknown },
  route: RegExp,
  maxBytes: number,
): void {
  app.use((request, response, next) => {
    const [pathname = ''] = (request.url ?? '').split('?');
    if (request.method !== 'POST' || !route.test(pathname)) {
      next();
      return;
    }
    collectBody(request, maxBytes).then((body) => {
      if (body === null) {
        sendAnswer(response, bodyTooLarge(maxBytes));
        return;
      }
      setBody(request, body);
      request._body = true; // Nest's parser passes by
      next();
    }, next);
  });
}
