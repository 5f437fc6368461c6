import { BadRequestException, UnsupportedMediaTypeException } from '@nestjs/common';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Readable } from 'node:stream';
import { type BodyLimits, IncomingBody, type LargeBodyRules, tooLarge } from './incoming-body.js';

/** A request as it came in, and its answer: Node's own objects. */
export interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
}

/** A body that stays in the network until the guards have passed. */
export class PendingBody {
  private readonly isEncoded: boolean;
  private readonly length: number;
  private deadline: number;

  /** @param stream the body's bytes, where a hook of the host's has put another one in place of the request */
  constructor(
    private readonly exchange: Exchange,
    private readonly limits: BodyLimits,
    private readonly stream: Readable = exchange.request,
  ) {
    const { headers } = exchange.request;
    this.isEncoded = isEncoded(headers['content-encoding']);
    this.length = Number(headers['content-length'] ?? 0);
    this.deadline = performance.now() + limits.timeout;
    exchange.response.once('finish', () => this.discardRest());
  }

  /**
   * @throws HttpException when the body is not taken, or not any more
   * @throws SynchroError when its beginning shows that it is refused
   */
  read(large: LargeBodyRules): Promise<string> {
    const { limits } = this;
    const body = new IncomingBody(this.stream, limits, large);
    // SDKs don't compress, and a few bytes may unpack to any number.
    if (this.isEncoded)
      body.refuse(new UnsupportedMediaTypeException('encoded request bodies are not supported'));
    else if (this.length > limits.maxBytes) body.refuse(tooLarge(limits.maxBytes));
    this.deadline = performance.now() + limits.timeout;
    // The rest of the body is dropped then, and its memory given back once (W-LOAD-37).
    this.exchange.response.once('close', () =>
      body.refuse(new BadRequestException('request body broke off')),
    );
    return body.read();
  }

  /**
   * A device sends its body to the end before it reads the answer. So what the answer left unread is read and forgotten,
   * up to twice the size of a body, in the time that is left to it; beyond that the connection is closed.
   */
  private discardRest(): void {
    const { request } = this.exchange;
    if (request.complete) return;
    const { socket } = request;
    const end = Math.max(this.deadline, performance.now() + TIME_TO_READ_ANSWER);
    const maxRead = socket.bytesRead + 2 * this.limits.maxBytes;
    // Node discards further bytes without an event, so the connection's own count is read.
    const timer = setInterval(() => {
      if (request.complete) clearInterval(timer);
      else if (performance.now() > end || socket.bytesRead > maxRead) request.destroy();
    }, CHECK_INTERVAL).unref();
    request.once('close', () => clearInterval(timer));
    request.resume();
  }
}

/** Whether any coding but `identity` is named; codings are case-insensitive, and a list of them (RFC 9110, 8.4). */
function isEncoded(header = ''): boolean {
  return header.split(',').some((coding) => !['', 'identity'].includes(coding.trim().toLowerCase()));
}

const CHECK_INTERVAL = 100;
const TIME_TO_READ_ANSWER = 1_000;
