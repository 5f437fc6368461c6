import type { TestDatabase } from '../support/database.js';
import { Commits } from './commits.js';
import type { EvidenceOptions } from './evidence.js';
import { History, HISTORY_SQL, type HistoryRow } from './history.js';
import type { Interval } from './intervals.js';
import { Oracle } from './oracle.js';
import { now, type Exchange } from './exchange.js';
import type { Phone } from './phone.js';
import { pathsOf } from './paths.js';
import { storyOf } from './story.js';
import type { Violation } from './violation.js';
import type { TableName } from './world/tables.js';

/** How far the changelog was at a time. */
interface Lag {
  readonly time: number;
  readonly applied: bigint;
}

const PARKED_SQL = `SELECT user_id || ' ' || table_name || ' ' || record_id AS key FROM sync_parked_rows`;
const LABELS_SQL = `SELECT enumlabel AS label FROM pg_enum WHERE enumtypid = 'mood'::regtype`;
/** Keeps what waited when the sync tables are emptied, as a restore begins. */
const RESTORES_SQL = `
  CREATE TABLE parked_then (key text NOT NULL);
  CREATE FUNCTION note_parked() RETURNS trigger LANGUAGE plpgsql AS $$
  BEGIN
    INSERT INTO parked_then ${PARKED_SQL};
    RETURN NULL;
  END $$;
  CREATE TRIGGER note_parked BEFORE TRUNCATE ON sync_parked_rows FOR EACH STATEMENT EXECUTE FUNCTION note_parked()`;
const LAG_SQL = `
  SELECT confirmed_lsn::text AS applied,
         ARRAY(SELECT client_id FROM sync_clients
                WHERE id IN (SELECT client FROM sync_subscription_changes UNION SELECT client FROM sync_consumer_tasks)
         ) AS waiting
    FROM sync_wal_position`;

/** What the oracle is told: every answer, every change of the tables, and how far the changelog was. */
export class Watch {
  readonly history = new History();
  readonly oracle: Oracle;
  private readonly schemaChanges: Interval[] = [];
  private readonly restored: Interval[] = [];
  /** When something raised for some rows, by table. */
  private readonly raising = new Map<string, Interval[]>();
  private readonly commits: Commits;
  private exchanges: Exchange[] = [];
  private judged = 0;
  /** Before which exchange the sync tables were put back, and what was lost that waited in them. */
  private restores: { readonly before: number; readonly parked: ReadonlySet<string> }[] = [];
  private lags: Lag[] = [];
  private readHistory = '0';

  /** @param slack in milliseconds */
  constructor(
    private readonly database: TestDatabase,
    private readonly phones: readonly Phone[],
    { slack, ...given }: Pick<EvidenceOptions, 'slack' | 'refuses' | 'pageBytes'>,
  ) {
    this.commits = new Commits(database);
    this.oracle = new Oracle(this.history, {
      ...given,
      slack: slack * 1_000,
      appliedUntil: (sent) => this.appliedUntil(sent),
      schemaChanges: this.schemaChanges,
      restored: this.restored,
      raising: this.raising,
    });
  }

  /** Before the app is started for the first time. */
  static async prepare(database: TestDatabase): Promise<void> {
    await Commits.prepare(database);
  }

  /** Once the app has made its tables: so that {@link recordRestore} can tell what a restore takes. */
  static async prepareRestores(database: TestDatabase): Promise<void> {
    await database.query(RESTORES_SQL);
  }

  /** What changes the contract. It may be done, too, where its connection is lost before it says so. */
  async whileSchemaChanges(work: () => Promise<unknown>): Promise<void> {
    const from = now();
    try {
      await work();
    } finally {
      this.schemaChanges.push({ from, to: now() + 1_000 });
    }
  }

  /** Something raises for some rows of a table from now on, or has done so until now. */
  recordRaising(table: TableName, begins: boolean): void {
    const intervals = this.raising.get(table) ?? [];
    this.raising.set(table, intervals);
    const last = intervals.at(-1);
    if (begins && last?.to !== Infinity) intervals.push({ from: now(), to: Infinity });
    else if (!begins && last?.to === Infinity)
      intervals.splice(-1, 1, { from: last.from, to: now() + 1_000 });
  }

  record(exchange: Exchange): void {
    this.exchanges.push(exchange);
  }

  /** Looks how far the changelog is, and for which devices nothing is left to the consumer. */
  async recordLag(): Promise<void> {
    // Before it is looked at: what is committed meanwhile does not count as seen.
    const time = now();
    const [row] = await this.database.query<{ applied: string; waiting: readonly string[] }>(LAG_SQL);
    if (!row) return;
    this.lags.push({ time, applied: BigInt(row.applied) });
    for (const phone of this.phones) if (!row.waiting.includes(phone.clientId)) phone.recordQuiet(time);
  }

  /** `<user> <table> <id>` of what the server keeps until its parent comes. */
  async parked(): Promise<ReadonlySet<string>> {
    const parked = await this.database.query<{ key: string }>(PARKED_SQL);
    return new Set(parked.map(({ key }) => key));
  }

  /** Of the enum, as they are called now. */
  async labels(): Promise<ReadonlySet<unknown>> {
    const labels = await this.database.query<{ label: string }>(LABELS_SQL);
    return new Set(labels.map(({ label }) => label));
  }

  /** Reads what was committed since the last time; nothing may be going on. */
  async readTables(): Promise<void> {
    await this.commits.read();
    const rows = await this.database.query<HistoryRow & { id: string }>(HISTORY_SQL, [this.readHistory]);
    this.history.add(rows);
    this.readHistory = rows.reduce(
      (last, { id }) => (BigInt(id) > BigInt(last) ? id : last),
      this.readHistory,
    );
  }

  /** Judges the answers since the last time. */
  judge(): readonly Violation[] {
    const found: Violation[] = [];
    for (; this.judged < this.exchanges.length; this.judged++) {
      for (const { before, parked } of this.restores)
        if (before === this.judged) this.oracle.restored(parked, this.phones);
      const exchange = this.exchanges[this.judged];
      if (exchange) found.push(...this.oracle.judge(exchange));
    }
    return found;
  }

  /** The sync tables have been put back to what they once were: what had come to wait in the meantime is gone. */
  async recordRestore(): Promise<void> {
    this.restored.push({ from: now(), to: now() });
    const then = await this.database.query<{ key: string }>('DELETE FROM parked_then RETURNING key');
    const left = await this.parked();
    const parked = new Set(then.map(({ key }) => key).filter((key) => !left.has(key)));
    this.restores.push({ before: this.exchanges.length, parked });
  }

  /** How many answers there were, to ask for {@link changesSince}. */
  get answers(): number {
    return this.exchanges.length;
  }

  /** Whether a pull has brought anything since then. */
  changesSince(answers: number): boolean {
    return this.exchanges.slice(answers).some(({ path, answer }) => {
      const { changes, deletes, has_more: hasMore } = (answer.json ?? {}) as Record<string, unknown>;
      return path === 'pull' && (!isEmpty(changes) || !isEmpty(deletes) || hasMore !== false);
    });
  }

  /** How often answers had what is worth trying. */
  paths(): ReadonlyMap<string, number> {
    return new Map([...this.oracle.paths, ...pathsOf(this.exchanges)]);
  }

  forget(before: number): void {
    this.history.forget(before);
    this.commits.forget(before);
    for (const phone of this.phones) phone.forget(before);
    this.exchanges = [];
    this.judged = 0;
    this.restores = [];
    const first = this.lags.findLastIndex(({ time }) => time < before);
    this.lags = this.lags.slice(Math.max(0, first));
  }

  /** What led to a violation, as far as it came after the last {@link forget}. */
  story(violation: Violation): string {
    return storyOf(violation, this.history, this.exchanges);
  }

  lastAnswers(): string {
    const last = new Map(
      this.exchanges.map(({ phone, path, answer }) => [`${phone.userId} ${path}`, answer]),
    );
    return [...last].map(([who, { status, text }]) => `${who} ${status} ${text.slice(0, 200)}`).join('; ');
  }

  private appliedUntil(time: number): number {
    let [low, high] = [0, this.lags.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.lags[middle]?.time ?? Infinity) <= time) low = middle + 1;
      else high = middle;
    }
    const lag = this.lags[low - 1];
    return lag ? Math.min(time, this.commits.appliedUntil(lag.applied)) : 0;
  }
}

function isEmpty(list: unknown): boolean {
  return Array.isArray(list) && list.length === 0;
}
