import type { IncomingMessage, ServerResponse } from 'node:http';
import { Inject, Injectable } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { SYNC_PATH } from './sync-path.token.js';
import { setBody } from './sync-request.js';
import { sendAnswer } from './answer.js';

/** Above any honest batch: SDKs take 413 for a fatal error (hazard W-HTTP-1). */
const MAX_BODY_BYTES = 16 * 1024 * 1024;

type Next = (error?: unknown) => void;

/**
 * Reads the sync routes' bodies itself: Nest's own parser stops at 100 kB and turns 64-bit integers into doubles.
 * Registered from a provider's constructor, which runs before Nest registers that parser; other routes keep it.
 */
@Injectable()
export class BodyReader {
  constructor(host: HttpAdapterHost, @Inject(SYNC_PATH) path: string) {
    const route = new RegExp(`(^|/)${escapeRegExp(path)}/(register|pull|push|snapshot)/?$`);
    // An application context without HTTP (a worker) has no adapter.
    host.httpAdapter?.use((request: IncomingMessage, response: ServerResponse, next: Next) => {
      const [pathname = ''] = (request.url ?? '').split('?');
      if (request.method === 'POST' && route.test(pathname)) readBody(request, response, next);
      else next();
    });
  }
}

function readBody(
  request: IncomingMessage & { _body?: boolean },
  response: ServerResponse,
  next: Next,
): void {
  const chunks: Buffer[] = [];
  let length = 0;
  request.on('data', (chunk: Buffer) => {
    length += chunk.length;
    if (length <= MAX_BODY_BYTES) chunks.push(chunk);
    else chunks.length = 0;
  });
  request.on('error', next);
  request.on('end', () => {
    if (length > MAX_BODY_BYTES) {
      sendAnswer(response, {
        status: 413,
        body: JSON.stringify({ error: 'request body is larger than 16 MB' }),
      });
      return;
    }
    setBody(request, Buffer.concat(chunks));
    request._body = true; // Nest's parser passes by
    next();
  });
}

function escapeRegExp(text: string): string {
  return text.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`);
}
