import { randomBytes, randomUUID } from 'node:crypto';
import { connect, type Socket } from 'node:net';
import { Pool } from 'undici';
import { type Attack, type AttackerIds, attacks, type AttackTable, registration } from './attacks.js';

export interface AttackerOptions {
  readonly url: string;
  readonly userId: string;
  readonly table: AttackTable;
  /** At a time. */
  readonly connections: number;
  /** Which of so many is next. */
  readonly choose: (count: number) => number;
}

/** A tenth of the connections neither end their body nor read their answer. */
const STALLED = 10;
const STALL_MS = 2_000;
const PAUSE_AFTER_FAILURE_MS = 10;

/** A user who sends the worst that there is over many connections at once, and never waits when told to. */
export class Attacker {
  /** How often each attack was answered with each status; 0: not at all. */
  readonly answers = new Map<string, number>();
  private readonly pool: Pool;
  private readonly sockets = new Set<Socket>();
  private attacks: readonly Attack[] = [];
  private ids: AttackerIds = { client_id: randomUUID(), schema_version: 0, schema_hash: '' };
  private running: Promise<unknown> = Promise.resolve();
  private isStopping = false;

  constructor(private readonly options: AttackerOptions) {
    this.pool = new Pool(options.url, { connections: options.connections, pipelining: 1 });
  }

  /** Registers, as anybody may, and makes a row that is large. */
  async prepare(): Promise<void> {
    const { table } = this.options;
    const schema = await this.pool.request({
      method: 'GET',
      path: '/sync/schema',
      headers: { 'x-user-id': this.options.userId },
    });
    const { schema_version, schema_hash } = (await schema.body.json()) as AttackerIds;
    this.ids = { ...this.ids, schema_version, schema_hash };
    await this.send({ name: 'own', path: 'register', body: JSON.stringify(this.ids) });
    const row = randomUUID();
    const data = { [table.text]: 'attack', [table.json]: randomBytes(150_000).toString('base64') };
    const create = { id: row, table_name: table.name, operation: 'create', data };
    await this.send({ name: 'own', path: 'push', body: JSON.stringify({ ...this.ids, changes: [create] }) });
    this.attacks = attacks(table, this.ids, row);
  }

  start(): void {
    this.isStopping = false;
    const { connections } = this.options;
    const stalled = Math.floor(connections / STALLED);
    this.running = Promise.all([
      ...Array.from({ length: connections - stalled }, () => this.repeat(() => this.send(this.next()))),
      ...Array.from({ length: stalled }, (_, n) => this.repeat(() => this.stall(n % 2 === 0))),
    ]);
  }

  /** Resolves when what was sent has been answered. */
  async stop(): Promise<void> {
    this.isStopping = true;
    for (const socket of this.sockets) socket.destroy();
    await this.running;
  }

  async close(): Promise<void> {
    await this.stop();
    await this.pool.destroy();
  }

  private next(): Attack {
    const n = this.options.choose(this.attacks.length + 1);
    return this.attacks[n] ?? registration(this.ids);
  }

  private async repeat(attack: () => Promise<void>): Promise<void> {
    while (!this.isStopping) await attack();
  }

  private async send({ name, path, body }: Attack): Promise<void> {
    const headers = { 'content-type': 'application/json', 'x-user-id': this.options.userId };
    try {
      const answer = await this.pool.request({ method: 'POST', path: `/sync/${path}`, body, headers });
      this.count(name, answer.statusCode);
      await answer.body.dump();
    } catch {
      // Cut off: it comes again at once.
      this.count(name, 0);
      await new Promise((resolve) => setTimeout(resolve, PAUSE_AFTER_FAILURE_MS));
    }
  }

  /** Sends a body that nobody stands for and never ends, or asks for an answer and doesn't read it. */
  private async stall(isUnfinished: boolean): Promise<void> {
    const { hostname, port } = new URL(this.options.url);
    const socket = connect(Number(port), hostname);
    this.sockets.add(socket);
    socket.on('error', () => undefined);
    const body = JSON.stringify({ ...this.ids, limit: 1000 });
    const [path, user, length] = isUnfinished
      ? ['push', '', 16_000_000]
      : ['snapshot', `X-User-ID: ${this.options.userId}\r\n`, Buffer.byteLength(body)];
    socket.write(`POST /sync/${path} HTTP/1.1\r\nHost: x\r\n${user}Content-Length: ${length}\r\n\r\n`);
    socket.write(isUnfinished ? '0'.repeat(8_000_000) : body);
    socket.pause();
    await new Promise<void>((resolve) => {
      const timer = setTimeout(() => socket.destroy(), STALL_MS);
      socket.once('close', () => {
        clearTimeout(timer);
        resolve();
      });
    });
    this.sockets.delete(socket);
    this.count(isUnfinished ? 'unfinished' : 'unread', 0);
  }

  private count(name: string, status: number): void {
    const key = `${name} ${status}`;
    this.answers.set(key, (this.answers.get(key) ?? 0) + 1);
  }
}
