import { createHash, randomUUID } from 'node:crypto';
import { Client } from 'pg';
import { withClient } from '../support/client.js';
import type { TestDatabase } from '../support/database.js';
import type { Row } from '../support/wire.js';
import { pause } from '../support/wait.js';
import { History, HISTORY_SQL, type HistoryRow } from './history.js';
import { Oracle, type Violation } from './oracle.js';
import { now, Phone, type Exchange } from './phone.js';
import { storyOf } from './story.js';
import { tableOf, worldSql, type TableName } from './world/tables.js';

export interface WorldOptions {
  /** Where each device finds the app, by the number of the device. */
  readonly urls: readonly string[];
  readonly users: readonly string[];
  /** Makes ids and texts repeatable. */
  readonly seed: number;
  /** See `OracleOptions.slack`, in milliseconds. */
  readonly slack: number;
  /** Devices per user. Default: 2. */
  readonly devicesEach?: number;
  /** Time within which everything has to be right once nobody does anything, in milliseconds. Default: 60,000. */
  readonly patience?: number;
}

interface Lag {
  readonly time: number;
  readonly written: bigint;
  readonly applied: bigint;
}

const PAGE_SIZES = [10, 100, 3, 1_000];
const TEAMS = ['red', 'blue'];
/** Others may have rows in the same tables: an attacker's victims, a probe. */
const OWN = `title LIKE 'text %'`;

/** People with their devices, the host's own code, an administrator, and the oracle that watches them. */
export class World {
  readonly phones: Phone[] = [];
  /** How often each thing was done. */
  readonly counts = new Map<string, number>();
  readonly history = new History();
  readonly oracle: Oracle;
  private readonly exchanges: Exchange[] = [];
  private readonly background = new Set<Promise<void>>();
  private readonly lags: Lag[] = [];
  private readHistory = '0';
  private made = 0;

  constructor(
    readonly database: TestDatabase,
    private readonly options: WorldOptions,
  ) {
    this.oracle = new Oracle(this.history, {
      slack: options.slack * 1_000,
      appliedUntil: (sent) => this.appliedUntil(sent),
    });
    for (let n = 0; n < options.users.length * (options.devicesEach ?? 2); n++)
      this.phones.push(this.newPhone(n));
  }

  /** Makes the tables, before the app is started. */
  static async prepare(database: TestDatabase): Promise<void> {
    await database.query(worldSql());
    for (const team of TEAMS)
      await database.query(`INSERT INTO team_members VALUES ($1, 'alice') ON CONFLICT DO NOTHING`, [team]);
  }

  /** Lets it go on by itself; {@link settle} waits for it, and throws what it throws. */
  meanwhile(work: Promise<void>): void {
    const left = work.finally(() => this.background.delete(left));
    this.background.add(left);
    left.catch(() => undefined);
  }

  /**
   * Waits for what is still going on, lets every device sync until each holds what it should, and judges every
   * answer since the last time.
   */
  async settle(): Promise<readonly Violation[]> {
    await Promise.all(this.background);
    const deadline = performance.now() + (this.options.patience ?? 60_000);
    let right = 0;
    for (;;) {
      const answered = await Promise.all(this.phones.map((phone) => phone.inTurn(() => phone.trySync())));
      const parked = await this.takeHistory();
      const open = answered.every(Boolean)
        ? this.phones.flatMap((phone) => this.oracle.divergence(phone, parked))
        : undefined;
      // Twice, as it has to stay so.
      right = open?.length === 0 ? right + 1 : 0;
      const late = performance.now() > deadline;
      if (right < 2 && !late) {
        await pause(20);
        continue;
      }
      const unanswered: readonly Violation[] = [
        { rule: 'divergence', table: '', id: '', what: `devices can't sync: ${this.lastAnswers()}` },
      ];
      const judged = this.exchanges.flatMap((exchange) => this.oracle.judge(exchange));
      return [...judged, ...this.oracle.broken(parked), ...(open ?? unanswered)];
    }
  }

  /** After a settled moment: what was judged is not needed any more. */
  forget(): void {
    const since = Math.min(...this.phones.map((phone) => phone.lastPull));
    const before = since - this.options.slack * 2_000;
    this.history.forget(before);
    for (const phone of this.phones) phone.forget(before);
    this.exchanges.length = 0;
  }

  /** What led to a violation, as far as it came after the last {@link forget}. */
  story(violation: Violation): string {
    return storyOf(violation, this.history, this.exchanges);
  }

  /** The sync tables have been put back to what they once were. */
  restored(): void {
    this.oracle.restored(now(), this.phones);
  }

  did(what: string, times = 1): void {
    this.counts.set(what, (this.counts.get(what) ?? 0) + times);
  }

  user(choice: number): string {
    return at(this.options.users, choice);
  }

  team(choice: number): string {
    return at(TEAMS, choice);
  }

  newId(): string {
    const hex = createHash('sha1').update(`${this.options.seed} ${this.made++}`).digest('hex');
    return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
  }

  text(): string {
    return `text ${this.made++}`;
  }

  values(): Row {
    const n = this.made++;
    return {
      title: `text ${n}`,
      rank: n % 7 === 0 ? null : n % 1_000,
      amount: n % 5 === 0 ? null : (n % 10_000) / 100,
      data: n % 4 === 0 ? null : { n, list: [n, null, `é${n}`], nested: { yes: n % 2 === 0 } },
    };
  }

  /** Some of the world's own rows, the same ones for the same choice as long as they are there. */
  async someRows(
    table: TableName,
    choice: number,
    count: number,
  ): Promise<readonly { id: string; updated_at: string }[]> {
    const start = createHash('sha1').update(String(choice)).digest('hex').slice(0, 32);
    const columns = ['id', 'updated_at::text', ...foreignKeys(table)].join(', ');
    const rows = await this.database.query<{ id: string; updated_at: string }>(
      `(SELECT ${columns} FROM ${table} WHERE id >= $1::uuid AND ${OWN} ORDER BY id LIMIT $2)
       UNION ALL (SELECT ${columns} FROM ${table} WHERE id < $1::uuid AND ${OWN} ORDER BY id LIMIT $2) LIMIT $2`,
      [start, count],
    );
    return rows;
  }

  async someIds(table: TableName, choice: number, count: number): Promise<readonly string[]> {
    return (await this.someRows(table, choice, count)).map(({ id }) => id);
  }

  async compact(): Promise<void> {
    await fetch(`${at(this.options.urls, 0)}/world/compact`, { method: 'POST' });
  }

  async withClient(work: (client: Client) => Promise<void>): Promise<void> {
    await withClient(this.database.url, work);
  }

  replacePhone(phone: Phone): void {
    const n = this.phones.indexOf(phone);
    this.phones[n] = this.newPhone(n);
  }

  /** Keeps an eye on how far the changelog is behind; once every now and then. */
  async noteLag(): Promise<void> {
    // Before it is looked at: what is committed meanwhile does not count as seen.
    const time = now();
    const [row] = await this.database.query<{ written: string; applied: string; waiting: readonly string[] }>(
      `SELECT (pg_current_wal_insert_lsn() - '0/0')::text AS written, confirmed_lsn::text AS applied,
              ARRAY(SELECT client_id FROM sync_clients
                     WHERE id IN (SELECT client FROM sync_subscription_changes UNION SELECT client FROM sync_requests)
              ) AS waiting
         FROM sync_wal_position`,
    );
    if (!row) return;
    this.lags.push({ time, written: BigInt(row.written), applied: BigInt(row.applied) });
    for (const phone of this.phones) if (!row.waiting.includes(phone.clientId)) phone.noteQuiet(time);
  }

  private newPhone(n: number): Phone {
    const options = {
      pageSize: at(PAGE_SIZES, n),
      record: (exchange: Exchange) => void this.exchanges.push(exchange),
    };
    return new Phone(at(this.options.urls, n), at(this.options.users, n), randomUUID(), options);
  }

  /** Reads what was committed since the last time, and answers what is parked. */
  private async takeHistory(): Promise<ReadonlySet<string>> {
    const parked = await this.database.query<{ key: string }>(
      `SELECT user_id || ' ' || table_name || ' ' || record_id AS key FROM sync_parked_rows`,
    );
    const rows = await this.database.query<HistoryRow & { id: string }>(HISTORY_SQL, [this.readHistory]);
    this.history.add(rows);
    this.readHistory = rows.reduce(
      (last, { id }) => (BigInt(id) > BigInt(last) ? id : last),
      this.readHistory,
    );
    return new Set(parked.map(({ key }) => key));
  }

  private appliedUntil(sent: number): number {
    const applied = this.lags.findLast(({ time }) => time <= sent)?.applied ?? 0n;
    return this.lags.findLast(({ written }) => written <= applied)?.time ?? 0;
  }

  private lastAnswers(): string {
    const last = new Map(
      this.exchanges.map(({ phone, path, answer }) => [`${phone.userId} ${path}`, answer]),
    );
    return [...last].map(([who, { status, text }]) => `${who} ${status} ${text.slice(0, 200)}`).join('; ');
  }
}

/** The item that a number means. */
export function at<T>(items: readonly T[], choice: number): T {
  const item = items[choice % items.length];
  if (item === undefined) throw new RangeError('there is nothing to choose from');
  return item;
}

function foreignKeys(table: TableName): readonly string[] {
  const { parent, team } = tableOf(table);
  return [...(parent ? [parent.fk] : []), ...(team ? [team] : [])];
}
