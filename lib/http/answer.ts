import type { ServerResponse } from 'node:http';

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
  send(payload: Buffer): unknown;
}

/**
 * Sends exactly this: the content type without a charset, the body with a final newline (docs/protocol.md#answers).
 * Headers that the host has set before (CORS) stay.
 */
export function sendAnswer(response: HttpResponse, { status, body, headers = {} }: Answer): void {
  // Fastify would say the charset of a text.
  const payload = Buffer.concat([body, '\n'].flat().map((text) => Buffer.from(text)));
  const all = { 'Content-Type': 'application/json', 'Content-Length': payload.length, ...headers };
  if ('raw' in response) response.status(status).headers(all).send(payload);
  else response.writeHead(status, all).end(payload);
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
