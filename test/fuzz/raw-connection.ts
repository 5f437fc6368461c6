import { connect, type Socket } from 'node:net';
import { pause } from '../support/wait.js';
import type { RawRequest } from './raw-request.js';

export interface RawAnswer {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: ReadonlyMap<string, string>;
  readonly body: Buffer;
}

/** What came back for a request, and how it ended. */
export interface Exchange {
  readonly answers: readonly RawAnswer[];
  /** The server closed the connection, or the network did. */
  readonly closed: boolean;
  readonly timedOut: boolean;
  readonly error: Error | null;
}

/** A TCP connection on which anything may be written, with a reader of HTTP answers. */
export class RawConnection {
  private readonly socket: Socket;
  private received: Buffer[] = [];
  private closed = false;
  private error: Error | null = null;
  private wake: () => void = () => {};
  /** When it was last used, in milliseconds. */
  usedAt = performance.now();
  /** Requests that were answered on it. */
  uses = 0;

  constructor(readonly origin: string) {
    const { hostname, port } = new URL(origin);
    this.socket = connect({ host: hostname.replace(/^\[|\]$/g, ''), port: Number(port), noDelay: true });
    this.socket.on('data', (bytes) => {
      this.received.push(bytes);
      this.wake();
    });
    this.socket.on('error', (error) => {
      this.error = error;
    });
    this.socket.on('close', () => {
      this.closed = true;
      this.wake();
    });
    this.socket.on('end', () => this.socket.end());
  }

  get reusable(): boolean {
    return !this.closed && this.received.length === 0 && this.socket.writable;
  }

  destroy(): void {
    this.socket.destroy();
  }

  /** Sends a request and waits for its answers, or for the connection's end where none is due. */
  async exchange(request: RawRequest, timeout: number): Promise<Exchange> {
    const deadline = performance.now() + timeout;
    for (const [index, part] of request.parts.entries()) {
      if (index > 0 && request.pause > 0) await pause(request.pause);
      if (!this.closed) this.socket.write(part);
    }
    const answers: RawAnswer[] = [];
    if (request.ending === 'abort') {
      // Not before the bytes are on their way: a reset may overtake them.
      await new Promise<void>((resolve) => {
        if (this.closed) resolve();
        else this.socket.write('', () => resolve());
      });
      this.destroy();
      return { answers, closed: true, timedOut: false, error: null };
    }
    if (request.ending === 'half-close') this.socket.end();
    for (;;) {
      const answer = this.take(request.bodiless);
      if (answer) answers.push(answer);
      else if (this.closed || performance.now() >= deadline) break;
      else await this.more(deadline);
      if (request.answers > 0 && answers.length >= request.answers) break;
    }
    this.usedAt = performance.now();
    this.uses++;
    const complete = request.answers > 0 && answers.length >= request.answers;
    const timedOut = !complete && !this.closed;
    if (timedOut || answers.some(({ headers }) => headers.get('connection') === 'close')) this.destroy();
    return { answers, closed: this.closed, timedOut, error: this.error };
  }

  private async more(deadline: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, Math.max(1, deadline - performance.now()));
      this.wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  /** The next whole answer of what has been received; interim ones (1xx) are passed over. */
  private take(bodiless: boolean): RawAnswer | null {
    if (this.received.length === 0) return null;
    const bytes = Buffer.concat(this.received);
    this.received = [bytes];
    const end = bytes.indexOf('\r\n\r\n');
    if (end === -1) return null;
    const [statusLine = '', ...lines] = bytes.subarray(0, end).toString('latin1').split('\r\n');
    const status = Number(/^HTTP\/1\.[01] (\d{3})/.exec(statusLine)?.[1] ?? 0);
    const headers = new Map(
      lines.map((line) => {
        const colon = line.indexOf(':');
        return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()] as const;
      }),
    );
    const rest = bytes.subarray(end + 4);
    const empty = bodiless || status < 200 || status === 204 || status === 304;
    const read = empty ? { body: Buffer.alloc(0), length: 0 } : readBody(headers, rest, this.closed);
    if (!read) return null;
    const left = rest.subarray(read.length);
    this.received = left.length > 0 ? [left] : [];
    return status >= 100 && status < 200 ? this.take(bodiless) : { status, headers, body: read.body };
  }
}

function readBody(
  headers: ReadonlyMap<string, string>,
  bytes: Buffer,
  closed: boolean,
): { body: Buffer; length: number } | null {
  const length = headers.get('content-length');
  if (length !== undefined) {
    const size = Number(length);
    return bytes.length >= size ? { body: bytes.subarray(0, size), length: size } : null;
  }
  if (headers.get('transfer-encoding') === 'chunked') return readChunks(bytes);
  // Until the end, or there is none.
  return closed || headers.get('connection') === 'close' ? { body: bytes, length: bytes.length } : null;
}

function readChunks(bytes: Buffer): { body: Buffer; length: number } | null {
  const parts: Buffer[] = [];
  for (let at = 0; ;) {
    const end = bytes.indexOf('\r\n', at);
    if (end === -1) return null;
    const size = Number.parseInt(bytes.subarray(at, end).toString('latin1'), 16);
    const next = end + 2 + size + 2;
    if (bytes.length < next) return null;
    if (size === 0) return { body: Buffer.concat(parts), length: next };
    parts.push(bytes.subarray(end + 2, end + 2 + size));
    at = next;
  }
}
