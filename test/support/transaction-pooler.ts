import { createServer, connect, type Server, type Socket } from 'node:net';
import type { AddressInfo } from 'node:net';

/** What a pooler does with what a session asks for when it begins. */
export type StartupMode = 'refuse' | 'ignore';

/**
 * A stand-in for PgBouncer in transaction mode, which gives each transaction any of its connections to the server. Here
 * each client has one, and between two transactions it comes to know other statements: those of its own are gone, and some
 * that other clients have prepared are there.
 */
export class TransactionPooler {
  private readonly server: Server;
  private readonly sockets = new Set<Socket>();
  /** Parse messages with a name, of all clients. */
  private readonly statements = new Map<string, Buffer>();

  private constructor(
    private readonly target: URL,
    startup: StartupMode,
  ) {
    this.server = createServer((client) => this.serve(client, startup));
  }

  static async start(url: string, startup: StartupMode = 'ignore'): Promise<TransactionPooler> {
    const pooler = new TransactionPooler(new URL(url), startup);
    await new Promise<void>((resolve) => pooler.server.listen(0, '127.0.0.1', resolve));
    return pooler;
  }

  get url(): string {
    const url = new URL(this.target);
    url.host = `127.0.0.1:${(this.server.address() as AddressInfo).port}`;
    return url.href;
  }

  async stop(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private serve(client: Socket, startup: StartupMode): void {
    const server = connect(Number(this.target.port), this.target.hostname);
    for (const socket of [client, server]) {
      this.sockets.add(socket);
      socket.setNoDelay(true);
      socket.on('error', () => undefined);
    }
    client.on('close', () => server.destroy());
    server.on('close', () => client.destroy());

    let started = false;
    /** Whether the client's next message begins a transaction. */
    let idle = false;
    /** Answers of the server that are not the client's. */
    let swallow = 0;
    const requests = new Messages();
    client.on('data', (data) => {
      if (!started) {
        started = true;
        const refused = startup === 'refuse' && unsupported(data);
        if (refused) client.end(errorMessage('08P01', `unsupported startup parameter: ${refused}`));
        else server.write(withoutSession(data));
        return;
      }
      if (idle) {
        idle = false;
        const other = this.switchMessages();
        swallow += other.answers;
        server.write(other.bytes);
      }
      for (const message of requests.take(data)) this.remember(message);
      server.write(data);
    });
    const answers = new Messages();
    server.on('data', (data) => {
      for (const message of answers.take(data)) {
        const isReady = message[0] === READY;
        if (swallow === 0) client.write(message);
        else if (isReady) swallow -= 1;
        if (isReady && swallow === 0) idle = message[5] === IDLE;
      }
    });
  }

  private remember(message: Buffer): void {
    if (message[0] !== PARSE || message[5] === 0) return;
    this.statements.set(message.toString('latin1', 5, message.indexOf(0, 5)), Buffer.from(message));
  }

  private switchMessages(): { readonly bytes: Buffer; readonly answers: number } {
    const others = [...this.statements.values()].filter(() => Math.random() < 0.5);
    const bytes = [frame('Q', 'DEALLOCATE ALL\0'), ...others.flatMap((parse) => [parse, frame('S', '')])];
    return { bytes: Buffer.concat(bytes), answers: 1 + others.length };
  }
}

const READY = 'Z'.charCodeAt(0);
const PARSE = 'P'.charCodeAt(0);
const IDLE = 'I'.charCodeAt(0);

/** Cuts a stream into the protocol's messages: a letter, a length, and what it says. */
class Messages {
  private rest: Buffer = Buffer.alloc(0);

  take(data: Buffer): readonly Buffer[] {
    const messages: Buffer[] = [];
    this.rest = Buffer.concat([this.rest, data]);
    for (;;) {
      const end = this.rest.length < 5 ? Infinity : 1 + this.rest.readInt32BE(1);
      if (end > this.rest.length) return messages;
      messages.push(this.rest.subarray(0, end));
      this.rest = this.rest.subarray(end);
    }
  }
}

function frame(letter: string, text: string): Buffer {
  const body = Buffer.from(text);
  const head = Buffer.alloc(5, letter);
  head.writeInt32BE(body.length + 4, 1);
  return Buffer.concat([head, body]);
}

function errorMessage(code: string, text: string): Buffer {
  return frame('E', `SFATAL\0VFATAL\0C${code}\0M${text}\0\0`);
}

const SESSION = ['options', 'replication'];

function unsupported(startup: Buffer): string | undefined {
  return parameters(startup).find(([name]) => SESSION.includes(name))?.[0];
}

/** The startup message without what makes a session another one. */
function withoutSession(startup: Buffer): Buffer {
  const kept = parameters(startup).filter(([name]) => !SESSION.includes(name));
  const body = Buffer.from(`${kept.map(([name, value]) => `${name}\0${value}\0`).join('')}\0`);
  const head = Buffer.from(startup.subarray(0, 8));
  head.writeInt32BE(body.length + 8, 0);
  return Buffer.concat([head, body]);
}

function parameters(startup: Buffer): readonly (readonly [name: string, value: string])[] {
  const texts = startup.toString('utf8', 8).split('\0');
  const pairs: [string, string][] = [];
  for (let n = 0; n + 1 < texts.length && texts[n]; n += 2) pairs.push([texts[n] ?? '', texts[n + 1] ?? '']);
  return pairs;
}
