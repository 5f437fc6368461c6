import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import type { Random } from '../support/random.js';

/** What happens to the bytes between the two ends. */
export type ProxyMode =
  | { readonly name: 'pass' }
  /** Nothing arrives, nothing is lost, and no end learns of it: a cable that was pulled. */
  | { readonly name: 'stall' }
  | SlowMode
  /** New connections are reset at once. */
  | { readonly name: 'refuse' }
  /** What the client sends arrives; with the first byte of an answer the connection is reset. */
  | { readonly name: 'lose-answers' }
  /** Nothing goes through a connection any more from a client's piece with this text on, and no end learns of it. */
  | { readonly name: 'lose-question'; readonly text: string };

interface SlowMode {
  readonly name: 'slow';
  /** Longest delay of a piece, in milliseconds. */
  readonly latency: number;
  readonly bytesPerSecond: number;
  readonly random: Random;
}

/** A connection through the proxy. */
export interface ProxyConnection {
  /** The port from which the proxy has connected to the target: there, the client's port. */
  readonly targetSidePort: number | undefined;
  /** Bytes that have come through, from the client and from the target. */
  readonly asked: number;
  readonly answered: number;
}

/** A TCP proxy on the loopback address whose network can be disturbed; the port stays the same until it is closed. */
export class TcpProxy {
  /** Connections that were reset since an answer was on its way, and connections that were refused. */
  lostAnswers = 0;
  refused = 0;
  /** Connections that are silent for ever. */
  forgotten = 0;
  private mode: ProxyMode = { name: 'pass' };
  private readonly pairs = new Set<Pair>();

  /** @param target The port to connect to; it may change. Nobody there: connections are reset. */
  static async listen(target?: number): Promise<TcpProxy> {
    const server = createServer({ allowHalfOpen: true, noDelay: true });
    const proxy = new TcpProxy(server, target);
    server.on('connection', (socket) => proxy.accept(socket));
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(0, '127.0.0.1', resolve);
    });
    return proxy;
  }

  private constructor(
    private readonly server: Server,
    public target: number | undefined,
  ) {}

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  get connections(): readonly ProxyConnection[] {
    return [...this.pairs];
  }

  /** Bytes that wait in the proxy. */
  get held(): number {
    return [...this.pairs].reduce((sum, pair) => sum + pair.held, 0);
  }

  pass(): void {
    this.enter({ name: 'pass' });
  }

  stall(): void {
    this.enter({ name: 'stall' });
  }

  slow(options: Omit<SlowMode, 'name'>): void {
    this.enter({ name: 'slow', ...options });
  }

  refuse(): void {
    this.enter({ name: 'refuse' });
  }

  loseAnswers(): void {
    this.enter({ name: 'lose-answers' });
  }

  loseQuestion(text: string): void {
    this.enter({ name: 'lose-question', text });
  }

  /** Nothing goes through the connections that there are any more, or those that are named, and no end learns of it. */
  forget(connections: readonly ProxyConnection[] = this.connections): void {
    for (const pair of this.pairs) if (connections.includes(pair)) pair.forget();
  }

  /** Resets the connections that there are, or those that are named. */
  cut(connections: readonly ProxyConnection[] = this.connections): void {
    for (const pair of this.pairs) if (connections.includes(pair)) pair.cut();
  }

  async close(): Promise<void> {
    this.cut();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private enter(mode: ProxyMode): void {
    this.mode = mode;
    for (const pair of this.pairs) pair.resume();
  }

  private accept(client: Socket): void {
    client.on('error', () => {});
    if (this.mode.name === 'refuse' || this.target === undefined) {
      this.refused += 1;
      client.resetAndDestroy();
      return;
    }
    const target = connect({ port: this.target, host: '127.0.0.1', allowHalfOpen: true, noDelay: true });
    const pair = new Pair(
      client,
      target,
      () => this.mode,
      () => (this.lostAnswers += 1),
      () => (this.forgotten += 1),
    );
    this.pairs.add(pair);
    for (const socket of [client, target])
      socket.once('close', () => {
        if (client.closed && target.closed) this.pairs.delete(pair);
      });
  }
}

class Pair implements ProxyConnection {
  targetSidePort: number | undefined;
  private readonly questions: Flow;
  private readonly answers: Flow;
  private broken = false;
  private forgotten = false;
  private readonly mode: () => ProxyMode;

  constructor(
    private readonly client: Socket,
    private readonly target: Socket,
    modeOfAll: () => ProxyMode,
    onLost: () => void,
    private readonly onForgotten: () => void,
  ) {
    client.on('data', (chunk: Buffer) => {
      const mode = this.mode();
      if (mode.name === 'lose-question' && chunk.includes(mode.text)) this.forget();
    });
    this.mode = () => (this.forgotten ? { name: 'stall' } : modeOfAll());
    target.once('connect', () => (this.targetSidePort = target.localPort));
    for (const socket of [client, target]) {
      socket.on('error', () => {
        this.broken = true;
        this.resume();
      });
    }
    this.questions = new Flow(client, target, this.mode);
    this.answers = new Flow(target, client, this.mode, () => {
      onLost();
      this.cut();
    });
  }

  get asked(): number {
    return this.questions.passed;
  }

  get answered(): number {
    return this.answers.passed;
  }

  get held(): number {
    return this.questions.held + this.answers.held;
  }

  forget(): void {
    if (!this.forgotten) this.onForgotten();
    this.forgotten = true;
  }

  /** The other end learns of a reset when bytes pass again. */
  resume(): void {
    if (this.broken && this.mode().name !== 'stall') this.cut();
    this.questions.pump();
    this.answers.pump();
  }

  cut(): void {
    this.client.resetAndDestroy();
    // While it still connects there is nothing to reset.
    if (this.target.connecting) this.target.destroy();
    else this.target.resetAndDestroy();
  }
}

/** Above this many bytes the sender has to wait. */
const MAX_HELD = 256 * 1024;

/** One direction. */
class Flow {
  passed = 0;
  held = 0;
  private readonly queue: Buffer[] = [];
  private ended = false;
  private busy = false;

  /** @param onLost Takes the place of the first byte while answers are lost. */
  constructor(
    private readonly from: Socket,
    private readonly to: Socket,
    private readonly mode: () => ProxyMode,
    private readonly onLost?: () => void,
  ) {
    from.on('data', (chunk: Buffer) => {
      this.queue.push(chunk);
      this.held += chunk.length;
      if (this.held >= MAX_HELD) from.pause();
      this.pump();
    });
    from.once('end', () => {
      this.ended = true;
      this.pump();
    });
  }

  pump(): void {
    const mode = this.mode();
    if (this.busy || this.to.destroyed || mode.name === 'stall') return;
    const chunk = this.queue[0];
    if (chunk === undefined) {
      if (this.ended) this.to.end();
      return;
    }
    if (mode.name === 'lose-answers' && this.onLost) {
      this.onLost();
      return;
    }
    this.busy = true;
    const delay =
      mode.name === 'slow'
        ? mode.random.below(mode.latency + 1) + (1000 * chunk.length) / mode.bytesPerSecond
        : 0;
    if (delay > 0) setTimeout(() => this.send(), delay);
    else this.send();
  }

  private send(): void {
    // It may have stalled while the piece was on its way.
    const chunk = this.mode().name === 'stall' ? undefined : this.queue.shift();
    if (chunk === undefined || this.to.destroyed) {
      this.busy = false;
      return;
    }
    this.to.write(chunk, () => {
      this.busy = false;
      this.held -= chunk.length;
      this.passed += chunk.length;
      if (this.held < MAX_HELD) this.from.resume();
      this.pump();
    });
  }
}
