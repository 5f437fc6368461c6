import {
  BadRequestException,
  type HttpException,
  PayloadTooLargeException,
  UnsupportedMediaTypeException,
} from '@nestjs/common';
import type { Readable } from 'node:stream';

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
  try {
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      length += chunk.length;
      if (isPlain && length <= maxBytes) chunks.push(chunk);
      else chunks = [];
    }
  } catch (cause) {
    // Phones lose their connection every day: nothing for the host's log.
    return new BadRequestException('request body broke off', { cause });
  }
  if (!isPlain) return new UnsupportedMediaTypeException('encoded request bodies are not supported');
  if (length > maxBytes) return tooLarge(maxBytes);
  return Buffer.concat(chunks);
}

function tooLarge(maxBytes: number): HttpException {
  const size = maxBytes % MEBIBYTE === 0 ? `${maxBytes / MEBIBYTE} MB` : `${maxBytes} bytes`;
  return new PayloadTooLargeException(`request body is larger than ${size}`);
}
