import type { Readable } from 'node:stream';
import type { Answer } from './answer.js';

const MEBIBYTE = 1024 * 1024;

/** Above any honest batch: SDKs take 413 for a fatal error (hazard W-HTTP-1). */
export const DEFAULT_MAX_BODY_BYTES = 16 * MEBIBYTE;

export function bodyTooLarge(maxBytes: number): Answer {
  const size = maxBytes % MEBIBYTE === 0 ? `${maxBytes / MEBIBYTE} MB` : `${maxBytes} bytes`;
  return { status: 413, body: JSON.stringify({ error: `request body is larger than ${size}` }) };
}

/** A request's bytes; null when there are too many of them, which are read and forgotten so that it can be said. */
export async function collectBody(stream: Readable, maxBytes: number): Promise<Buffer | null> {
  let chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length <= maxBytes) chunks.push(chunk);
    else chunks = [];
  }
  return length > maxBytes ? null : Buffer.concat(chunks);
}
