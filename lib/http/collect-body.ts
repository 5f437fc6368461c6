import type { Readable } from 'node:stream';

/** Above any honest batch: SDKs take 413 for a fatal error (hazard W-HTTP-1). */
export const MAX_BODY_BYTES = 16 * 1024 * 1024;

export const BODY_TOO_LARGE = {
  status: 413,
  body: JSON.stringify({ error: 'request body is larger than 16 MB' }),
};

/** A request's bytes; null when there are too many of them, which are read and forgotten so that it can be said. */
export async function collectBody(stream: Readable): Promise<Buffer | null> {
  let chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length <= MAX_BODY_BYTES) chunks.push(chunk);
    else chunks = [];
  }
  return length > MAX_BODY_BYTES ? null : Buffer.concat(chunks);
}
