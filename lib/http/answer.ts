import type { ServerResponse } from 'node:http';

/** An answer as it goes out: nothing of the host alters it. */
export interface Answer {
  readonly status: number;
  /** JSON text. */
  readonly body: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Sends exactly this: the content type without a charset, the body with a final newline (wire-protocol §1). */
export function sendAnswer(response: ServerResponse, { status, body, headers = {} }: Answer): void {
  const bytes = Buffer.from(`${body}\n`);
  response.writeHead(status, {
    'Content-Type': 'application/json',
    'Content-Length': bytes.length,
    ...headers,
  });
  response.end(bytes);
}
