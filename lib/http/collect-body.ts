import {
  BadRequestException,
  type HttpException,
  PayloadTooLargeException,
  UnsupportedMediaTypeException,
} from '@nestjs/common';
import type { Readable } from 'node:stream';
import { finished } from 'node:stream/promises';

const MEBIBYTE = 1024 * 1024;

/** Above any honest batch: SDKs take 413 for a fatal error (hazard W-HTTP-1). */
export const DEFAULT_MAX_BODY_BYTES = 16 * MEBIBYTE;

/**
 * A request's bytes, or why they are not taken. What is too large or encoded (SDKs don't compress) is read and
 * forgotten, so that it can be said.
 */
export async function collectBody(
  stream: Readable,
  encoding: unknown,
  maxBytes: number,
): Promise<Buffer | HttpException> {
  const isPlain = encoding === undefined || encoding === '' || encoding === 'identity';
  let chunks: Buffer[] = [];
  let length = 0;
  // Events, as an iterator of the stream costs more than the rest of an idle pull's body.
  stream.on('data', (chunk: Buffer) => {
    length += chunk.length;
    if (isPlain && length <= maxBytes) chunks.push(chunk);
    else chunks = [];
  });
  try {
    await finished(stream, { writable: false });
  } catch (cause) {
    // Phones lose their connection every day: nothing for the host's log.
    return new BadRequestException('request body broke off', { cause });
  }
  if (!isPlain) return new UnsupportedMediaTypeException('encoded request bodies are not supported');
  if (length > maxBytes) return tooLarge(maxBytes);
  const [only = Buffer.alloc(0), ...more] = chunks;
  return more.length === 0 ? only : Buffer.concat(chunks);
}

function tooLarge(maxBytes: number): HttpException {
  const size = maxBytes % MEBIBYTE === 0 ? `${maxBytes / MEBIBYTE} MB` : `${maxBytes} bytes`;
  return new PayloadTooLargeException(`request body is larger than ${size}`);
}
