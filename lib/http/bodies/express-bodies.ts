import type { IncomingMessage, ServerResponse } from 'node:http';
import type { BodyLimits } from './incoming-body.js';
import { PendingBody } from './pending-body.js';
import { hasKeptBody, keepBody } from '../sync-request.js';
import { isSyncRoute } from '../sync-route.js';

type Next = (error?: unknown) => void;
type ExpressRequest = IncomingMessage & { readonly path: string; body?: unknown };
type Middleware = (request: ExpressRequest, response: ServerResponse, next: Next) => void;

const EXPRESS_4 = '_router';

/** Under which Nest keeps a controller's path on its handlers. */
const PATH_METADATA = 'path';

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
  readonly route?: {
    /** By their names in lower case; `_all` for `app.all`. */
    readonly methods: Readonly<Record<string, boolean | undefined>>;
    readonly stack: readonly { readonly handle: object }[];
  };
  match(path: string): boolean;
}

/**
 * Has the parsers in Express pass by the sync routes' bodies: they take a request that names no body for one without.
 * Guards, which come after them, see `{}` as its body.
 */
export function keepExpressBodies(app: ExpressApp, limits: BodyLimits): void {
  let routes: NestRoutes | undefined;
  app.use((request, response, next) => {
    // Asked for with the first request, when all routes are there.
    routes ??= nestRoutes(app);
    if (!hasKeptBody(request) && isForSync(routes, request)) {
      keepBody(request, new PendingBody({ request, response }, limits));
      delete request.headers['content-length'];
      delete request.headers['transfer-encoding'];
      request.body = {};
    }
    next();
  });
}

interface NestRoutes {
  readonly ours: readonly ExpressLayer[];
  /** Of the host, and asked before ours. */
  readonly earlier: readonly ExpressLayer[];
}

/** The path is Express's own reading of the URL, which may name a host, or go on after a `#`. */
function isForSync({ ours, earlier }: NestRoutes, { path, method = '' }: ExpressRequest): boolean {
  if (!ours.some((layer) => layer.match(path))) return false;
  const name = method.toLowerCase();
  return !earlier.some(
    (layer) => (layer.route?.methods[name] ?? layer.route?.methods['_all']) && layer.match(path),
  );
}

/** `app.router` throws in Express 4. */
function nestRoutes(app: ExpressApp): NestRoutes {
  const { stack = [] } = app[EXPRESS_4] ?? app.router ?? {};
  const has = (test: (handle: object) => boolean): readonly ExpressLayer[] =>
    stack.filter(({ route }) => route?.stack.some(({ handle }) => test(handle)));
  const ours = has(isSyncRoute);
  // A route that is Express's alone may hand on what it gets (`app.all('*', …)`); a controller answers it.
  const answered = new Set(
    has((handle) => Reflect.hasMetadata(PATH_METADATA, handle) && !isSyncRoute(handle)),
  );
  const first = stack.findIndex((layer) => ours.includes(layer));
  return { ours, earlier: stack.slice(0, Math.max(first, 0)).filter((layer) => answered.has(layer)) };
}
