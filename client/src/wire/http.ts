import { parseExact } from './exact-json.js';

export interface HttpOptions {
  readonly url: string;
  readonly token?: ((request: { readonly refused: boolean }) => string | Promise<string>) | undefined;
  readonly headers?: (() => Readonly<Record<string, string>>) | undefined;
  readonly appVersion?: string | undefined;
  readonly fetch?: typeof fetch | undefined;
}

/** The server answered with another status than 200. */
export class HttpError extends Error {
  override readonly name = 'HttpError';

  constructor(
    route: string,
    readonly status: number,
    text: string,
    /** Milliseconds; 0 where the answer asks for no pause. */
    readonly retryAfter: number,
  ) {
    super(`${route} answered ${status}: ${text.slice(0, 200)}`);
  }
}

/** Longer than the server's own timeouts: a connection that is silent for this long is dead. */
const TIMEOUT = 60_000;

/** Sends requests with the app's token, which is asked for again once the server refuses it. */
export class Http {
  private readonly base: string;
  private readonly closing = new AbortController();

  constructor(private readonly options: HttpOptions) {
    this.base = options.url.replace(/\/+$/, '');
  }

  /** @throws HttpError, or what `fetch` throws when there is no answer. */
  async get(route: string): Promise<unknown> {
    return this.json(route, { method: 'GET', cache: 'no-store' });
  }

  /** Leaves out `cache: 'no-store'`: a browser would ask before each request to another origin whether it may send it. */
  async post(route: string, body: object): Promise<unknown> {
    return this.json(route, { method: 'POST', body: JSON.stringify(body) });
  }

  /** Ends all requests; later ones fail. */
  close(): void {
    this.closing.abort(new Error('the sync client is closed'));
  }

  /** An answer that may go on for long. @throws HttpError */
  async open(
    route: string,
    headers: Readonly<Record<string, string>>,
    signal: AbortSignal,
  ): Promise<Response> {
    return this.send(route, {
      cache: 'no-store',
      headers,
      signal: AbortSignal.any([signal, this.closing.signal]),
    });
  }

  private async json(route: string, init: RequestInit): Promise<unknown> {
    const timeout = new AbortController();
    const timer = setTimeout(() => timeout.abort(new Error(`${route}: no answer in time`)), TIMEOUT);
    const stop = (): void => timeout.abort(this.closing.signal.reason);
    this.closing.signal.addEventListener('abort', stop);
    try {
      const response = await this.send(route, { ...init, signal: timeout.signal });
      // A proxy or a hotel's login page may answer 200, too: JSON.parse throws.
      return parseExact(await response.text());
    } finally {
      clearTimeout(timer);
      this.closing.signal.removeEventListener('abort', stop);
    }
  }

  /** A response with status 200 or 204. @throws HttpError */
  private async send(route: string, init: RequestInit): Promise<Response> {
    this.closing.signal.throwIfAborted();
    let response = await this.fetch(route, init, false);
    if (response.status === 401 && this.options.token) {
      await response.body?.cancel();
      response = await this.fetch(route, init, true);
    }
    if (response.status === 200 || response.status === 204) return response;
    const seconds = Number(response.headers.get('retry-after'));
    const wait = Number.isFinite(seconds) && seconds > 0 ? seconds * 1_000 : 0;
    throw new HttpError(route, response.status, await response.text(), wait);
  }

  private async fetch(route: string, init: RequestInit, refused: boolean): Promise<Response> {
    const { token, headers, appVersion, fetch: fetching = fetch } = this.options;
    const text = await unlessAborted(init.signal, token?.({ refused }));
    return fetching(`${this.base}/${route}`, {
      ...init,
      headers: {
        ...(init.body !== undefined && { 'content-type': 'application/json' }),
        ...(appVersion !== undefined && { 'x-app-version': appVersion }),
        ...(text !== undefined && { authorization: `Bearer ${text}` }),
        ...headers?.(),
        ...(init.headers as Record<string, string> | undefined),
      },
    });
  }
}

/** Resolves to the app's answer, or rejects when the request is aborted: an app may never answer (W-CLIENT-32). */
function unlessAborted<T>(signal: AbortSignal | null | undefined, answer: T | Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    signal?.addEventListener('abort', () => reject(signal.reason as Error));
    Promise.resolve(answer).then(resolve, reject);
  });
}
