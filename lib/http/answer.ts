import type { ServerResponse } from 'node:http';
import { pipeline, Readable } from 'node:stream';

/** An answer as it goes out: nothing of the host alters it. */
export interface Answer {
  readonly status: number;
  /** JSON text, in pieces perhaps: to put megabytes of rows together takes longer than to send them. */
  readonly body: string | readonly string[];
  readonly headers?: Readonly<Record<string, string>>;
}

/** The platform's response object: Express gives Node's own. */
export type HttpResponse = ServerResponse | FastifyReply;

type HeaderValue = number | string | string[] | undefined;

/** As much of Fastify's reply as is needed here. */
interface FastifyReply {
  readonly raw: ServerResponse;
  status(code: number): this;
  header(name: string, value: string): this;
  headers(values: Record<string, string | number>): this;
  getHeader(name: string): HeaderValue;
  getHeaders(): Readonly<Record<string, HeaderValue>>;
  hijack(): this;
  send(payload: Buffer | Readable): unknown;
}

/**
 * Sends exactly this: the content type without a charset, the body with a final newline (docs/protocol.md#answers).
 * Headers that the host has set before (CORS) stay. A large answer is encoded as its device takes it, so that it isn't in
 * memory twice, and goes without its length, which would take a pass over all of it.
 */
export function sendAnswer(response: HttpResponse, { status, body, headers = {} }: Answer): void {
  const texts = [body, '\n'].flat();
  const type = { 'Content-Type': 'application/json', ...headers };
  if (texts.reduce((sum, text) => sum + text.length, 0) > LARGE) {
    const payload = Readable.from(encoded(texts));
    if ('raw' in response) response.status(status).headers(type).send(payload);
    // A connection that is lost is its device's to notice, as it is with a small answer.
    else pipeline(payload, response.writeHead(status, type), () => undefined);
    return;
  }
  // Fastify would say the charset of a text.
  const payload = Buffer.from(texts.join(''));
  const all = { 'Content-Length': payload.length, ...type };
  if ('raw' in response) response.status(status).headers(all).send(payload);
  else response.writeHead(status, all).end(payload);
}

/** Characters. */
const LARGE = 256 * 1024;

/** Characters of one piece of encoding. */
export const PART = 64 * 1024;

function* encoded(texts: readonly string[]): Generator<Buffer> {
  let small = '';
  for (const text of texts) {
    if (small.length + text.length < PART) {
      small += text;
      continue;
    }
    yield Buffer.from(small);
    let at = 0;
    while (text.length - at >= PART) {
      // Half of a character would be none.
      const end = isHighSurrogate(text, at + PART - 1) ? at + PART - 1 : at + PART;
      yield Buffer.from(text.slice(at, end));
      at = end;
    }
    small = text.slice(at);
  }
  yield Buffer.from(small);
}

function isHighSurrogate(text: string, at: number): boolean {
  const code = text.charCodeAt(at);
  return code >= 0xd800 && code <= 0xdbff;
}

/**
 * Node's own response, of which the adapter takes its hands: what is written to it goes out as it is, and when. Headers
 * that the host has set before (CORS) stay.
 */
export function takeOver(response: HttpResponse): ServerResponse {
  if (!('raw' in response)) return response;
  const { raw } = response.hijack();
  for (const [name, value] of Object.entries(response.getHeaders()))
    if (value !== undefined) raw.setHeader(name, value);
  return raw;
}

/** Node's own response, under either adapter. */
export function rawResponse(response: HttpResponse): ServerResponse {
  return 'raw' in response ? response.raw : response;
}

/** Whether an answer is on its way already. */
export function isAnswered(response: HttpResponse): boolean {
  return rawResponse(response).headersSent;
}

const RETRY_AFTER = 'Retry-After';

export function setRetryAfter(response: HttpResponse, seconds: number): void {
  if ('raw' in response) response.header(RETRY_AFTER, String(seconds));
  else response.setHeader(RETRY_AFTER, String(seconds));
}

/** The whole seconds of a `Retry-After` that is on the answer already; undefined without a usable one. */
export function retryAfterOf(response: HttpResponse): number | undefined {
  const value = response.getHeader(RETRY_AFTER);
  const seconds = typeof value === 'string' && value.trim() === '' ? Number.NaN : Number(value);
  return Number.isFinite(seconds) && seconds >= 0 ? Math.ceil(seconds) : undefined;
}
