import type { IncomingMessage, ServerResponse } from 'node:http';
import { type BodyLimits, PendingBody } from './pending-body.js';
import { hasKeptBody, keepBody } from './sync-request.js';
import { isSyncRoute } from './sync-route.js';

type Next = (error?: unknown) => void;
type ExpressRequest = IncomingMessage & { body?: unknown };
type Middleware = (request: ExpressRequest, response: ServerResponse, next: Next) => void;

const EXPRESS_4 = '_router';

/** As much of Express as is needed here: its router, by the name of version 4 or of version 5. */
export interface ExpressApp {
  use(middleware: Middleware): unknown;
  readonly [EXPRESS_4]?: ExpressRouter;
  readonly router?: ExpressRouter;
}

interface ExpressRouter {
  readonly stack: readonly ExpressLayer[];
}

interface ExpressLayer {
  readonly route?: { readonly stack: readonly { readonly handle: object }[] };
  match(path: string): boolean;
}

/**
 * Has the parsers in Express pass by the sync routes' bodies: they take a request that names no body for one without.
 * Guards, which come after them, see `{}` as its body.
 */
export function keepExpressBodies(app: ExpressApp, limits: BodyLimits): void {
  let layers: readonly ExpressLayer[] | undefined;
  app.use((request, response, next) => {
    const [path = ''] = (request.url ?? '').split('?', 1);
    // Asked for with the first request, when all routes are there.
    layers ??= syncLayers(app);
    if (!hasKeptBody(request) && layers.some((layer) => layer.match(path))) {
      keepBody(request, new PendingBody({ request, response }, limits));
      delete request.headers['content-length'];
      delete request.headers['transfer-encoding'];
      request.body = {};
    }
    next();
  });
}

/** `app.router` throws in Express 4. */
function syncLayers(app: ExpressApp): readonly ExpressLayer[] {
  const { stack = [] } = app[EXPRESS_4] ?? app.router ?? {};
  return stack.filter(({ route }) => route?.stack.some(({ handle }) => isSyncRoute(handle)) === true);
}
