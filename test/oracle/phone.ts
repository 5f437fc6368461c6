import { byClock, NO_ANSWER, now, type PhoneOptions } from './exchange.js';
import { canonicalId, rowKey } from './ids.js';
import type { Interval } from './intervals.js';
import { Device, RetryableRejectionError, SyncHttpError } from '../support/device.js';
import type {
  PullResponse,
  PushChange,
  PushResponse,
  Row,
  SchemaResponse,
  SnapshotResponse,
  WireAnswer,
} from '../support/wire.js';

/** A device that is watched, loses answers, and helps itself as an app does that an SDK throws an error at. */
export class Phone extends Device {
  /** Rows of which the server knows nothing, or only what it never told: they stay as they are. By table and id. */
  readonly left = new Set<string>();
  /** Every id that this phone was ever given, or has sent. */
  readonly known = new Set<string>();
  private readonly hooks: PhoneOptions;
  /** When it began the last pull or snapshot that it has taken as a whole; 0: never. */
  lastPull = 0;
  /** When it pulled, or read a page of a snapshot, since the last {@link forget}. */
  looks: readonly Interval[] = [];
  /** The same where no answer came: the server may have read for it all the same. */
  unanswered: readonly Interval[] = [];
  /** How many requests from now the answer gets lost; 0: none. */
  private losing = 0;
  /** Pulls and snapshots that it has taken as a whole. */
  private pulls: readonly Interval[] = [];
  /** Moments at which nothing waited for the consumer that concerns it. */
  private quiet: readonly number[] = [];
  private snapshotAt = 0;
  private schemaAt = 0;
  private settledAt = 0;
  private restart = true;
  private columns = new Map<string, readonly string[]>();
  private turn: Promise<unknown> = Promise.resolve();

  constructor(url: string, userId: string, clientId: string, options: PhoneOptions) {
    super(url, userId, clientId, options);
    this.hooks = options;
  }

  /** Whether the user has made this row, on whatever device: its id is no secret to them. */
  isOwnWork(id: string): boolean {
    return this.hooks.work.has(canonicalId(id));
  }

  override create(table: string, values: Row, id?: string): string {
    const made = super.create(table, values, id);
    this.hooks.work.add(canonicalId(made));
    return made;
  }

  /** One after the other: an SDK does one thing at a time, and an app edits in between. */
  async inTurn<T>(work: () => T | Promise<T>): Promise<T> {
    const mine = this.turn.then(work);
    this.turn = mine.catch(() => undefined);
    return mine;
  }

  /** The answer of the n-th request from now is lost on its way. */
  loseAnswer(n: number): void {
    this.losing = n;
  }

  /** A sync as the SDKs' timer does it; false when it has to be tried again later. Only a fault of the server throws. */
  async trySync(): Promise<boolean> {
    try {
      if (this.restart) await this.start();
      else await this.sync();
      return true;
    } catch (error) {
      return this.comesBack(error);
    }
  }

  /** Whether the app has been opened, so that it has tables to show. */
  get hasSchema(): boolean {
    return this.columns.size > 0;
  }

  /** Anything but a sync; a fault of the server throws. */
  async attempt(work: () => Promise<unknown>): Promise<void> {
    if (!this.hasSchema) return;
    await work().catch((error: unknown) => this.comesBack(error));
  }

  /** Sends a change that its user has not made on the device, and does not look at the answer. */
  async forge(change: PushChange): Promise<void> {
    this.known.add(canonicalId(change.id));
    const changes = [{ ...change, client_updated_at: new Date().toISOString() }];
    await this.send('push', { client_id: this.clientId, changes, ...(await this.schemaIds()) });
  }

  /** Pushes the oldest edits, once or twice at the same time. */
  async tryPush(times: 1 | 2, limit = this.pageSize): Promise<void> {
    if (this.restart || this.store.pendingCount === 0) return;
    const batch = this.store.pending(limit);
    const sent = await Promise.allSettled(Array.from({ length: times }, () => this.push(batch)));
    for (const one of sent) if (one.status === 'rejected') this.comesBack(one.reason);
  }

  /** Nothing that a pull of the phone has left to the consumer was undone at this moment. */
  recordQuiet(at: number): void {
    this.quiet = [...this.quiet, at];
  }

  /** When what was granted at a moment was certainly stored for the device. */
  subscribedFrom(granted: number): number {
    if (granted < this.settledAt) return granted;
    const look = this.looks.find(({ from }) => from >= granted);
    return (look && this.quiet.find((at) => at >= look.to)) ?? Infinity;
  }

  /** Lets go of what was before; everything had come to rest. */
  forget(before: number): void {
    this.settledAt = before;
    this.looks = this.looks.filter(({ to }) => to >= before);
    this.unanswered = this.unanswered.filter(({ to }) => to >= before);
    this.quiet = this.quiet.filter((at) => at >= before);
    this.pulls = this.pulls.filter(({ to }, n) => to >= before || n === this.pulls.length - 1);
  }

  /** The app is closed and opened again. */
  reopen(): void {
    this.restart = true;
  }

  override async start(): Promise<void> {
    this.restart = true;
    await super.start();
    this.restart = false;
  }

  /** A local table or column that is gone makes the SDKs drop everything, edits included, and take a snapshot. */
  override async schema(): Promise<SchemaResponse> {
    const began = now();
    const schema = await super.schema();
    this.schemaAt = began;
    const columns = new Map(
      schema.tables.map((table) => [table.table_name, table.columns.map(({ name }) => name)]),
    );
    const gone = [...this.columns].some(([table, names]) =>
      names.some((name) => !columns.get(table)?.includes(name)),
    );
    if (gone) {
      this.store.clear();
      this.checkpoint = 0;
    }
    for (const [table, names] of columns)
      for (const row of this.store.all(table).values()) for (const name of names) row[name] ??= null;
    this.columns = columns;
    return schema;
  }

  override async push(changes: readonly PushChange[]): Promise<PushResponse> {
    for (const { id } of changes) this.known.add(canonicalId(id));
    const response = await super.push(changes.map((change) => byClock(change, this.hooks.skew)));
    for (const { table_name: table, id } of response.accepted) this.left.delete(rowKey(table, id));
    // The SDKs keep a row whose create was refused.
    for (const { table_name: table, id, operation, server_version: version } of response.rejected)
      if (operation === 'create' && !version) this.left.add(rowKey(table, id));
    return response;
  }

  override async pull(): Promise<readonly PullResponse[]> {
    const began = now();
    const pages = await super.pull();
    this.took(began);
    return pages;
  }

  override async snapshot(): ReturnType<Device['snapshot']> {
    // Until it is complete, only a new start helps.
    this.restart = true;
    const began = now();
    this.snapshotAt = began;
    this.left.clear();
    const pages = await super.snapshot();
    this.restart = false;
    this.took(began);
    return pages;
  }

  override async send(path: string, body?: unknown): Promise<WireAnswer> {
    const isLook = ['pull', 'snapshot'].includes(path);
    if (isLook) await this.hooks.before();
    const sent = now();
    const { lastPull, lastTold, snapshotAt, schemaAt } = this;
    let isDisturbed = this.hooks.isDisturbed();
    const note = (answer: WireAnswer): void => {
      const received = now() + 1_000;
      isDisturbed ||= this.hooks.isDisturbed();
      const times = { sent, received, lastPull, lastTold, snapshotAt, schemaAt };
      this.hooks.record({ phone: this, path, body, answer, isDisturbed, ...times });
      const look = { from: sent, to: received };
      if (isLook && answer.status === 200) this.looks = [...this.looks, look];
      else if (isLook) this.unanswered = [...this.unanswered, look];
    };
    const answer = await super.send(path, body).catch((error: unknown) => {
      note(NO_ANSWER);
      if (!isDisturbed) throw new Error(`${path} had no answer`, { cause: error });
      throw error;
    });
    note(answer);
    if (this.losing > 0 && --this.losing === 0) throw new TypeError('The answer was lost.');
    if (isLook && answer.status === 200) this.given(answer);
    return answer;
  }

  /** What the device has from the server it is told of when it goes. */
  private given({ json }: WireAnswer): void {
    const { changes = [], records = [] } = json as unknown as Partial<PullResponse & SnapshotResponse>;
    for (const { table_name: table, id } of [...changes, ...records]) this.left.delete(rowKey(table, id));
  }

  private took(began: number): void {
    this.lastPull = began;
    this.pulls = [...this.pulls, { from: began, to: now() + 1_000 }];
  }

  private get lastTold(): number {
    const quiet = this.quiet.findLast((at) => at <= this.lastPull) ?? 0;
    return (this.pulls.findLast(({ to }) => to <= quiet) ?? this.pulls[0])?.from ?? 0;
  }

  private comesBack(error: unknown): false {
    // No connection, or none any more; a timeout.
    if (error instanceof TypeError || error instanceof DOMException) return false;
    if (error instanceof RetryableRejectionError) return false;
    // The protocol's judge knows whether there is a cause.
    if (error instanceof SyncHttpError && [500, 503].includes(error.status)) return false;
    // The schema has changed, or the server has forgotten the client: an app's developer lets it start again.
    if (error instanceof SyncHttpError && [404, 409].includes(error.status)) {
      this.restart = true;
      return false;
    }
    throw error;
  }
}
