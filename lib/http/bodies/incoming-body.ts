import { BadRequestException, PayloadTooLargeException, RequestTimeoutException } from '@nestjs/common';
import type { Readable } from 'node:stream';
import { finished } from 'node:stream/promises';
import { StringDecoder } from 'node:string_decoder';
import { inTurns, nextTurn, type Pieces } from '../../common/pieces.js';
import type { BodyInProgress, BodyMemory } from './body-memory.js';

const MEBIBYTE = 1024 * 1024;

/** Bytes; a push of 1,000 ordinary changes is smaller. The rest of a larger body stays in the network until its turn. */
export const LARGE = MEBIBYTE;

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
   * Is given all of the text, in order.
   * @throws SynchroError when no more of it is needed to refuse the body
   */
  check(text: string): void;
}

/**
 * A body while it comes. Each piece of a large one waits for its turn, so that others are served meanwhile: a socket
 * may have megabytes ready in one go. A large body that is refused is still read to its end, and dropped: a device
 * sends its body before it reads the answer, and a user has no more such bodies at a time than others.
 */
export class IncomingBody implements BodyInProgress {
  /** In memory. */
  bytes = 0;
  private text = '';
  private received = 0;
  private isLarge = false;
  private refusal: { readonly reason: unknown } | null = null;
  private lastTurn: Promise<unknown> = Promise.resolve();
  private readonly decoder = new StringDecoder('utf8');
  private readonly stop = new AbortController();

  constructor(
    private readonly stream: Readable,
    private readonly limits: BodyLimits,
    private readonly rules: LargeBodyRules,
  ) {}

  /**
   * @throws HttpException when the body is not taken, or not any more
   * @throws SynchroError when its beginning shows that it is refused
   */
  async read(): Promise<string> {
    const { memory, timeout } = this.limits;
    const timer = setTimeout(
      () => this.end(this.refusal?.reason ?? new RequestTimeoutException(TOO_SLOW)),
      timeout,
    );
    memory.begin(this);
    // Events, as an iterator of the stream costs more than the rest of an idle pull's body.
    this.stream.on('data', this.take);
    try {
      await finished(this.stream, { writable: false, signal: this.stop.signal });
      // A stream may end while it is paused.
      await this.lastTurn;
      this.stop.signal.throwIfAborted();
    } catch (cause) {
      // Phones lose their connection every day: nothing for the host's log.
      throw this.stop.signal.aborted
        ? this.stop.signal.reason
        : new BadRequestException('request body broke off', { cause });
    } finally {
      clearTimeout(timer);
      this.stream.off('data', this.take);
      memory.end(this);
    }
    if (this.refusal) throw this.refusal.reason;
    const text = this.text + this.decoder.end();
    this.text = '';
    return text;
  }

  /** Reads no more of it. */
  end(reason: unknown): void {
    this.text = '';
    this.stop.abort(reason);
  }

  /** Pieces from here on are dropped. */
  refuse(reason: unknown): void {
    this.refusal ??= { reason };
    this.limits.memory.release(this);
    this.bytes = 0;
    this.text = '';
  }

  private readonly take = (chunk: Buffer): void => {
    const { maxBytes, memory } = this.limits;
    this.received += chunk.length;
    let piece = '';
    if (this.refusal) {
      if (this.received > 2 * maxBytes) this.end(this.refusal.reason);
    } else if (this.received > maxBytes) this.refuse(tooLarge(maxBytes));
    else {
      piece = this.decoder.write(chunk);
      this.text += piece;
      this.bytes += chunk.length;
      memory.grow(chunk.length);
    }
    if (this.received > LARGE) this.pauseAfter(piece);
  };

  private pauseAfter(piece: string): void {
    this.stream.pause();
    this.lastTurn = this.turn(piece)
      .catch((reason: unknown) => this.refuse(reason))
      .finally(() => this.stream.resume());
  }

  private async turn(piece: string): Promise<void> {
    if (!this.refusal && !this.isLarge) {
      this.isLarge = true;
      await this.rules.turn();
      await inTurns(this.checking());
    } else {
      await nextTurn();
      this.rules.check(piece);
    }
  }

  /** The pieces that came before its turn. */
  private *checking(): Pieces<void> {
    for (let at = 0; at < this.text.length; at += PIECE) {
      this.rules.check(this.text.slice(at, at + PIECE));
      yield;
    }
  }
}

/** Characters. */
const PIECE = 64 * 1024;
const TOO_SLOW = 'request body took too long';

export function tooLarge(maxBytes: number): PayloadTooLargeException {
  const size = maxBytes % MEBIBYTE === 0 ? `${maxBytes / MEBIBYTE} MB` : `${maxBytes} bytes`;
  return new PayloadTooLargeException(`request body is larger than ${size}`);
}
