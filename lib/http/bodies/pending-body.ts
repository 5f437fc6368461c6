import {
  BadRequestException,
  type HttpException,
  PayloadTooLargeException,
  RequestTimeoutException,
  UnsupportedMediaTypeException,
} from '@nestjs/common';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Readable } from 'node:stream';
import { finished } from 'node:stream/promises';
import { BodyMemory } from './body-memory.js';

const MEBIBYTE = 1024 * 1024;

export interface BodyLimits {
  readonly maxBytes: number;
  /** Milliseconds. */
  readonly timeout: number;
  readonly memory: BodyMemory;
}

/** How a large body is dealt with while it comes. */
export interface LargeBodyRules {
  /** Resolves when it may be large; rejects with the HttpException that refuses it. */
  turn(): Promise<void>;
  /**
   * Is given all bytes, in order.
   * @throws SynchroError when no more of them are needed to refuse the body
   */
  check(chunk: Buffer): void;
}

/** Bytes; a push of 1,000 ordinary changes is smaller. The rest of a larger body stays in the network until its turn. */
const LARGE = MEBIBYTE;

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
   * @throws SynchroError when its beginning tells that it is refused
   */
  async read(large: LargeBodyRules): Promise<Buffer> {
    const { maxBytes } = this.limits;
    if (this.isEncoded) {
      // SDKs don't compress, and a few bytes may unpack to any number.
      throw new UnsupportedMediaTypeException('encoded request bodies are not supported');
    }
    if (this.length > maxBytes) throw tooLarge(maxBytes);
    const [only = Buffer.alloc(0), ...more] = await this.chunks(large);
    return more.length === 0 ? only : Buffer.concat([only, ...more]);
  }

  private async chunks(large: LargeBodyRules): Promise<readonly Buffer[]> {
    const { memory, timeout } = this.limits;
    const chunks: Buffer[] = [];
    const stop = new AbortController();
    const progress = { bytes: 0, end: (reason: Error) => stop.abort(reason) };
    const waitForTurn = (): void => {
      this.stream.pause();
      large.turn().then(
        () => this.stream.resume(),
        (reason: unknown) => stop.abort(reason),
      );
    };
    const check = (some: readonly Buffer[]): void => {
      try {
        for (const chunk of some) large.check(chunk);
      } catch (reason) {
        stop.abort(reason);
      }
    };
    // Events, as an iterator of the stream costs more than the rest of an idle pull's body.
    const take = (chunk: Buffer): void => {
      chunks.push(chunk);
      const wasLarge = progress.bytes > LARGE;
      progress.bytes += chunk.length;
      if (progress.bytes > LARGE) {
        check(wasLarge ? [chunk] : chunks);
        if (!wasLarge && !stop.signal.aborted) waitForTurn();
      }
      if (progress.bytes > this.limits.maxBytes) stop.abort(tooLarge(this.limits.maxBytes));
      memory.grow(chunk.length);
    };
    const timer = setTimeout(() => stop.abort(new RequestTimeoutException(TOO_SLOW)), timeout);
    this.deadline = performance.now() + timeout;
    memory.begin(progress);
    this.stream.on('data', take);
    try {
      await finished(this.stream, { writable: false, signal: stop.signal });
      return chunks;
    } catch (cause) {
      // Phones lose their connection every day: nothing for the host's log.
      throw stop.signal.aborted
        ? stop.signal.reason
        : new BadRequestException('request body broke off', { cause });
    } finally {
      clearTimeout(timer);
      this.stream.off('data', take);
      memory.end(progress);
    }
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
    // Node discards what comes now without an event for it, so the connection's own count is looked at.
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
const TOO_SLOW = 'request body took too long';

function tooLarge(maxBytes: number): HttpException {
  const size = maxBytes % MEBIBYTE === 0 ? `${maxBytes / MEBIBYTE} MB` : `${maxBytes} bytes`;
  return new PayloadTooLargeException(`request body is larger than ${size}`);
}
