import type { Endpoint, FuzzContext } from './draft.js';

/**
 * How exact the answer must be:
 * - `contract`: HTTP is in order, so the answer is the contract's;
 * - `host`: the path may be none of sync's, so the answer may be the framework's, in JSON;
 * - `protocol`: it is no HTTP, or breaks off: any 4xx, or a closed connection.
 */
export type Strictness = 'contract' | 'host' | 'protocol';

/** A request as the bytes that are sent. */
export interface RawRequest {
  readonly endpoint: Endpoint | null;
  readonly strictness: Strictness;
  /** Written one after another. */
  readonly parts: readonly Buffer[];
  /** Milliseconds between two parts. */
  readonly pause: number;
  /** What the attacker does after the last part. Default: waits for the answers, and keeps the connection. */
  readonly ending: 'wait' | 'half-close' | 'abort';
  /** How many requests there are in the parts; each has an answer, unless one closes the connection. */
  readonly answers: number;
  /** Nobody whom the app knows sends it: it must be refused. */
  readonly refused: boolean;
  /** An answer has no body (HEAD). */
  readonly bodiless: boolean;
  /** The body, where the answer depends on it. */
  readonly body: string | null;
}

export interface HttpOptions {
  readonly method?: string;
  readonly path?: string;
  /** Names and values, Latin-1; they come after the attacker's own, and the body's length. */
  readonly headers?: readonly (readonly [string, string])[];
  /** Leaves out the attacker's own. */
  readonly anonymous?: boolean;
  /** Replaces the body's length. Default: the true one. */
  readonly length?: string | null;
  readonly contentType?: string | null;
  readonly strictness?: Strictness;
  readonly refused?: boolean;
}

/** A request to an endpoint, well-formed as HTTP unless the options say otherwise. */
export function http(
  context: FuzzContext,
  endpoint: Endpoint,
  body: string | Buffer | null,
  options: HttpOptions = {},
): RawRequest {
  const { method = body === null ? 'GET' : 'POST', path = `/sync/${endpoint}` } = options;
  const { contentType = 'application/json', headers = [], strictness = 'contract' } = options;
  const bytes = body === null ? Buffer.alloc(0) : Buffer.from(body);
  const { length = body === null ? null : String(bytes.length) } = options;
  const lines = [
    `${method} ${path} HTTP/1.1`,
    'Host: localhost',
    ...(options.anonymous ? [] : Object.entries(context.headers).map((pair) => pair.join(': '))),
    ...(contentType === null || body === null ? [] : [`Content-Type: ${contentType}`]),
    ...(length === null ? [] : [`Content-Length: ${length}`]),
    ...headers.map((pair) => pair.join(': ')),
  ];
  return {
    endpoint,
    strictness,
    parts: [Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1'), bytes])],
    pause: 0,
    ending: 'wait',
    answers: 1,
    refused: options.refused ?? false,
    bodiless: method === 'HEAD',
    body: typeof body === 'string' ? body : null,
  };
}

/** Cuts the bytes into this many parts. */
export function sliced(request: RawRequest, count: number, pause: number): RawRequest {
  const bytes = Buffer.concat(request.parts);
  const size = Math.max(1, Math.ceil(bytes.length / count));
  const parts = Array.from({ length: Math.ceil(bytes.length / size) }, (_, n) =>
    bytes.subarray(n * size, (n + 1) * size),
  );
  return { ...request, parts, pause };
}

/** As a person can read it: what is long or no text is shortened and escaped. */
export function printable(request: RawRequest, limit = 4_000): string {
  const bytes = Buffer.concat(request.parts);
  const shown = JSON.stringify(bytes.subarray(0, limit).toString('latin1'));
  return bytes.length > limit ? `${shown} … (${bytes.length} bytes)` : shown;
}
