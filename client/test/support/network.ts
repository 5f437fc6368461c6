/** The fate of a request. `lost`: the server answers, but the answer does not arrive. */
export type Fault =
  | 'offline'
  | 'lost'
  | { readonly status: number; readonly body?: string; readonly headers?: Record<string, string> };

export interface NetworkRequest {
  readonly route: string;
  readonly body: Record<string, unknown>;
  readonly headers: Headers;
}

/** A network between device and server that a test can break. */
export class Network {
  /** The fault of each request; undefined where there is none. */
  fault: (request: NetworkRequest) => Fault | undefined = () => undefined;
  /** Called before a request is sent, which waits for the returned promise. */
  before: (request: NetworkRequest) => Promise<void> | undefined = () => undefined;
  /** Called after the server's answer, before the device gets it, which waits for the returned promise. */
  after: (request: NetworkRequest) => Promise<void> | undefined = () => undefined;
  readonly requests: NetworkRequest[] = [];

  readonly fetch: typeof fetch = async (input, init) => {
    const [route = ''] = ((input as string).split('/').at(-1) ?? '').split('?');
    const body = typeof init?.body === 'string' ? (JSON.parse(init.body) as Record<string, unknown>) : {};
    const request = { route, body, headers: new Headers(init?.headers) };
    this.requests.push(request);
    await this.before(request);
    const fault = this.fault(request);
    if (fault === 'offline') throw new TypeError('fetch failed');
    if (typeof fault === 'object') {
      return new Response(fault.body ?? '{"error":"fault"}', {
        status: fault.status,
        ...(fault.headers && { headers: fault.headers }),
      });
    }
    const response = await fetch(input, init);
    const text = await response.text();
    await this.after(request);
    if (fault !== 'lost') return new Response(text, response);
    throw new TypeError('connection reset');
  };

  /** Requests to a route so far. */
  to(route: string): readonly NetworkRequest[] {
    return this.requests.filter((request) => request.route === route);
  }
}

export const OFFLINE = (): Fault => 'offline';

/** A promise that a test resolves. */
export function gate(): { readonly opened: Promise<void>; readonly open: () => void } {
  const resolvers: (() => void)[] = [];
  const opened = new Promise<void>((resolve) => {
    resolvers.push(resolve);
  });
  return { opened, open: () => resolvers.forEach((resolve) => resolve()) };
}
