import { Device } from '../support/device.js';
import type { TestDatabase } from '../support/database.js';
import { Random } from '../support/random.js';
import { send } from '../support/wire.js';
import { BODY_CATEGORIES, type Category } from './body-categories.js';
import type { Endpoint, FuzzContext } from './draft.js';
import { uuidOf, SAMPLE_TABLES, type FuzzTables, type Victims } from './fuzz-tables.js';
import { HTTP_CATEGORIES, TOKENS } from './http-categories.js';
import { complaint, type Secrets } from './judge-answer.js';
import { RawConnection, type Exchange, type RawAnswer } from './raw-connection.js';
import { printable, type RawRequest } from './raw-request.js';
import { Bystanders, type BystanderOptions } from './bystanders.js';

export interface RequestFuzzerOptions extends BystanderOptions {
  readonly seed: number;
  /** Where the app is now. */
  readonly url: () => string;
  readonly database: TestDatabase;
  /** Default: the sample app's. */
  readonly tables?: FuzzTables;
  /** Headers that make a user known to the app. Default: `X-User-ID`. */
  readonly identify?: (user: string) => Readonly<Record<string, string>>;
  /** The app asks for bearer tokens: sends wrong ones, too. Default: false. */
  readonly tokens?: boolean;
  /** Milliseconds in which a request must be answered. Default: 30,000. */
  readonly timeLimit?: number;
  /**
   * Whether faults are being injected. Requests that began or ended under one may be answered by 503 with
   * `Retry-After`, or not at all. Default: never.
   */
  readonly disturbed?: () => boolean;
}

/** What was sent, and what came back. */
export interface FuzzSummary {
  readonly seed: number;
  readonly sent: number;
  readonly categories: Readonly<Record<string, number>>;
  /** `<endpoint> <status>` → answers; pipelined and unfinished requests count as `-`. */
  readonly answers: Readonly<Record<string, number>>;
  /** Verdicts on single changes, by reason or status. */
  readonly verdicts: Readonly<Record<string, number>>;
  /** Requests that a fault was allowed to fail. */
  readonly excused: number;
  readonly slowest: number;
}

/** What the server did is against the rule; says how to see it again. */
export class FuzzFailure extends Error {}

/** More of the first: they reach deeper. */
const WEIGHTS: Readonly<Record<string, number>> = {
  valid: 12, foreign: 12, types: 8, numbers: 8, ids: 6, cursors: 6, keys: 6, sql: 6, times: 6, strings: 6, headers: 5,
  huge: 1, batches: 0.3, repeats: 2, slow: 1,
}; // prettier-ignore
const DEFAULT_WEIGHT = 3;
/** So many tell enough. */
const MAX_FAILURES = 10;
const TIME_LIMIT = 30_000;
/** Servers close a connection that is idle for five seconds. */
const KEEP_ALIVE = 3_000;

/**
 * Sends requests as an attacker who has an account, devices and rows, and judges every answer: a clear 4xx, or a 200
 * of the contract with a verdict on each change, in time, and nothing of anybody else. Request `n` is a function of
 * the seed, of `n`, and of what the server said before (schema, checkpoint).
 */
export class RequestFuzzer {
  private readonly victims: Victims;
  private readonly bystanders: Bystanders;
  private readonly categories: readonly (readonly [string, Category])[];
  private readonly secrets: Secrets;
  private readonly idle: RawConnection[] = [];
  private context: FuzzContext;
  private sent = 0;
  private excused = 0;
  private slowest = 0;
  private readonly counts = { categories: new Map(), answers: new Map(), verdicts: new Map() } as const;

  constructor(private readonly options: RequestFuzzerOptions) {
    const { seed, tables = SAMPLE_TABLES, identify = (user) => ({ 'X-User-ID': user }) } = options;
    this.victims = tables.victims(seed);
    const { attacker, users, rows, canary } = this.victims;
    this.bystanders = new Bystanders({ ...options, tables, victims: this.victims, identify });
    const all = { ...BODY_CATEGORIES, ...HTTP_CATEGORIES, ...(options.tokens && { tokens: TOKENS }) };
    this.categories = Object.entries(all).filter(([name]) => !options.tokens || name !== 'users');
    this.secrets = {
      everywhere: [canary, ...rows.filter(({ known }) => !known).map(({ id }) => id)],
      rows: new Map(rows.map((row) => [`${row.table}/${row.id}`, row])),
    };
    this.context = {
      seed,
      tables: tables.tables,
      user: attacker,
      clients: [0, 1].map((n) => uuidOf(seed, 'client', n)),
      headers: identify(attacker),
      foreign: rows.filter(({ known }) => known),
      foreignUsers: users,
      foreignClients: this.bystanders.clients,
      schemaVersion: 0,
      schemaHash: '',
      checkpoint: 0,
    };
  }

  /** Writes the victims' rows, and gives the victims and the attacker their devices. */
  async start(): Promise<void> {
    await this.bystanders.start();
    for (const client of this.context.clients) {
      const device = new Device(this.options.url(), this.context.user, client, {
        headers: this.context.headers,
      });
      await device.start();
      this.learn(await device.schemaIds(), device.checkpoint);
    }
  }

  /** Sends the next request. Any number may run at once. @throws FuzzFailure */
  async next(): Promise<void> {
    await this.replay(++this.sent);
  }

  /** Sends this many more, on this many connections, and looks after the others. @throws FuzzFailure */
  async run(count: number, connections = 4): Promise<void> {
    const last = this.sent + count;
    const failures: FuzzFailure[] = [];
    const work = async (): Promise<void> => {
      while (this.sent < last && failures.length < MAX_FAILURES) {
        await this.next().catch((error: unknown) => {
          if (!(error instanceof FuzzFailure)) throw error;
          failures.push(error);
        });
      }
    };
    await Promise.all(Array.from({ length: connections }, work));
    if (failures.length > 0) throw new FuzzFailure(failures.map(({ message }) => message).join('\n\n'));
    await this.check();
  }

  /**
   * That the server works as ever: a victim's devices sync and have everything, nobody's rows but the attacker's have
   * changed, and no connection is stuck. @throws FuzzFailure
   */
  async check(): Promise<void> {
    try {
      await this.bystanders.check();
    } catch (cause) {
      const what = cause instanceof Error ? cause.message : String(cause);
      throw new FuzzFailure(`After request ${this.sent} of seed ${this.options.seed}: ${what}`, { cause });
    }
  }

  /** Sends one request again. @throws FuzzFailure */
  async replay(number: number): Promise<void> {
    const { category, request } = this.request(number);
    count(this.counts.categories, category);
    const before = this.options.disturbed?.() ?? false;
    const started = performance.now();
    const exchange = await this.exchange(request);
    this.slowest = Math.max(this.slowest, performance.now() - started);
    const wrong = this.judge(request, exchange);
    if (wrong === null) return;
    if (wrong.excusable && (before || (this.options.disturbed?.() ?? false))) {
      this.excused++;
      return;
    }
    const answers = exchange.answers.map(
      ({ status, body }) => `${status} ${body.subarray(0, 1_500).toString()}`,
    );
    throw new FuzzFailure(
      [
        `Seed ${this.options.seed}, request ${number} (${category}): ${wrong.what}`,
        `Request: ${printable(request)}`,
        `Answers: ${answers.join('\n') || (exchange.error?.message ?? 'none')}`,
      ].join('\n'),
    );
  }

  /** The request of this number. */
  request(number: number): { readonly category: string; readonly request: RawRequest } {
    const random = new Random(Math.imul(this.options.seed, 0x9e3779b1) ^ Math.imul(number, 0x85ebca6b));
    const weights = this.categories.map(([name]) => WEIGHTS[name] ?? DEFAULT_WEIGHT);
    let at = (random.below(100_000) / 100_000) * weights.reduce((sum, weight) => sum + weight, 0);
    const index = weights.findIndex((weight) => (at -= weight) < 0);
    const [category, make] = this.categories[index] ?? random.pick(this.categories);
    return { category, request: make(random, this.context) };
  }

  summary(): FuzzSummary {
    const { categories, answers, verdicts } = this.counts;
    return {
      seed: this.options.seed,
      sent: this.sent,
      categories: sorted(categories),
      answers: sorted(answers),
      verdicts: sorted(verdicts),
      excused: this.excused,
      slowest: Math.round(this.slowest),
    };
  }

  close(): void {
    for (const connection of this.idle.splice(0)) connection.destroy();
  }

  /** On a connection that was used before, if there is one: what a bad request left there would show. */
  private async exchange(request: RawRequest): Promise<Exchange> {
    const origin = this.options.url();
    for (;;) {
      const used = this.idle.pop();
      const isFit = used?.reusable && used.origin === origin && performance.now() - used.usedAt < KEEP_ALIVE;
      if (used && !isFit) {
        used.destroy();
        continue;
      }
      const connection = used ?? new RawConnection(origin);
      const exchange = await connection.exchange(request, this.options.timeLimit ?? TIME_LIMIT);
      // The server may have closed it at the same moment: clients try once more then.
      if (used && exchange.answers.length === 0 && exchange.closed && request.ending === 'wait') continue;
      if (connection.reusable && request.ending === 'wait') this.idle.push(connection);
      else connection.destroy();
      return exchange;
    }
  }

  private judge(request: RawRequest, exchange: Exchange): { what: string; excusable: boolean } | null {
    const { answers, timedOut, error } = exchange;
    for (const answer of answers) {
      this.note(request, answer);
      const what = complaint(request, answer, this.secrets);
      // Fastify itself answers so while it shuts down, and closes the connection.
      const later =
        answer.status === 503 &&
        (answer.headers.has('retry-after') || answer.headers.get('connection') === 'close');
      if (what !== null) return { what, excusable: later || what.includes('rejected_retryable') };
    }
    if (request.ending === 'abort') return null;
    if (timedOut) return { what: `no answer in ${this.options.timeLimit ?? TIME_LIMIT} ms`, excusable: true };
    if (request.strictness === 'protocol' || answers.length === request.answers) return null;
    // A refusal may close the connection; what was pipelined behind it is lost.
    if (answers.some(({ headers }) => headers.get('connection') === 'close')) return null;
    return {
      what: `${answers.length} answers to ${request.answers} requests (${error?.message ?? 'closed'})`,
      excusable: true,
    };
  }

  private note({ endpoint, ending, answers: due }: RawRequest, { status, body }: RawAnswer): void {
    const plain: Endpoint | '-' = endpoint === null || ending !== 'wait' || due !== 1 ? '-' : endpoint;
    count(this.counts.answers, `${plain} ${status}`);
    const text = body.toString();
    if (status === 409) void this.relearn();
    if (status !== 200) return;
    const checkpoint = Number(/"checkpoint":(\d{1,15}),/.exec(text)?.[1] ?? 0);
    if (
      endpoint === 'pull' &&
      !text.includes('"snapshot_required"') &&
      checkpoint > this.context.checkpoint
    ) {
      this.context = { ...this.context, checkpoint };
    }
    if (endpoint !== 'push') return;
    for (const [, status, reason] of text.matchAll(/"status":"(\w+)"(?:,"reason_code":"(\w+)")?/g))
      count(this.counts.verdicts, reason ?? status ?? '');
  }

  /** The schema may have changed, by a deploy. */
  private async relearn(): Promise<void> {
    try {
      const { status, json } = await send(`${this.options.url()}/sync/schema`, {
        headers: this.context.headers,
      });
      if (status === 200) this.learn(json as never, this.context.checkpoint);
    } catch {
      // Asked again after the next mismatch.
    }
  }

  private learn(ids: { schema_version: number; schema_hash: string }, checkpoint: number): void {
    this.context = {
      ...this.context,
      schemaVersion: ids.schema_version,
      schemaHash: ids.schema_hash,
      checkpoint,
    };
  }
}

function count(counts: Map<string, number>, name: string): void {
  counts.set(name, (counts.get(name) ?? 0) + 1);
}

function sorted(counts: ReadonlyMap<string, number>): Readonly<Record<string, number>> {
  return Object.fromEntries([...counts].toSorted(([a], [b]) => a.localeCompare(b)));
}
