import { createHash, randomUUID } from 'node:crypto';
import { Client } from 'pg';
import { withClient } from '../support/client.js';
import type { TestDatabase } from '../support/database.js';
import type { Row } from '../support/wire.js';
import { pause } from '../support/wait.js';

import type { Refuses } from './evidence.js';
import { HeldLog, HOLD } from './held-log.js';
import type { Fleet } from './holder.js';
import { Phone } from './phone.js';
import { violation, type Violation } from './violation.js';
import { Watch } from './watch.js';
import { populateSql } from './world/populate.js';
import { keyType, tableOf, WORLD_APP, worldSql, type TableName } from './world/tables.js';

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
  /** Something is being broken, so that requests may fail. Default: never. */
  readonly isDisturbed?: () => boolean;
  /** See `EvidenceOptions.refuses`. */
  readonly refuses?: Refuses;
  /** See `EvidenceOptions.pageBytes`. */
  readonly pageBytes?: number;
  /** Of the devices, one after the other. Default: 10, 100, 3, 1,000. */
  readonly pageSizes?: readonly number[];
  /** Milliseconds by which clocks of devices are wrong, one after the other. Default: none is. */
  readonly skews?: readonly number[];
}

/** Of the devices, one after the other. */
const PAGE_SIZES = [10, 100, 3, 1_000];
/** How often devices are looked at before the time counts: a small page makes them slow. */
const LOOKS = 6;
const TEAMS = ['red', 'blue'];
/** Others may have rows in the same tables: an attacker's victims, a probe. */
const OWN = `title LIKE 'text %'`;

/** People with their devices, the host's own code, an administrator, and the oracle that watches them. */
export class World {
  readonly phones: Phone[] = [];
  /** Devices of another client beside the phones. Default: none. */
  fleet: Fleet | null = null;
  /** How often each thing was done. */
  readonly counts = new Map<string, number>();
  readonly watch: Watch;
  private readonly works = new Map<string, Set<string>>();
  private readonly background = new Set<Promise<void>>();
  private logHeld: Promise<unknown> = Promise.resolve();
  private made = 0;
  private disturbances = 0;

  constructor(
    readonly database: TestDatabase,
    private readonly options: WorldOptions,
  ) {
    this.watch = new Watch(database, this.phones, options);
    for (let n = 0; n < options.users.length * (options.devicesEach ?? 2); n++)
      this.phones.push(this.newPhone(n));
  }

  /** Makes the tables, before the app is started. */
  static async prepare(database: TestDatabase, besides?: string): Promise<void> {
    await database.query(worldSql(besides));
    await Watch.prepare(database);
    for (const team of TEAMS)
      await database.query(`INSERT INTO team_members VALUES ($1, 'alice') ON CONFLICT DO NOTHING`, [team]);
  }

  /** Rows that there were before sync, and what their users may read of each other. */
  static async populate(database: TestDatabase, users: readonly string[]): Promise<void> {
    await database.query(populateSql(users));
  }

  /** Opens every app for the first time. */
  async open(): Promise<void> {
    await Promise.all(this.phones.map((phone) => phone.inTurn(() => phone.trySync())));
  }

  /** Whether one of these backends is the app's. */
  async isSync(pids: readonly number[]): Promise<boolean> {
    const found = await this.database.query(
      `SELECT FROM pg_stat_activity WHERE pid = ANY($1::int[]) AND application_name = $2`,
      [pids, WORLD_APP],
    );
    return found.length > 0;
  }

  /** Something is broken on purpose. */
  isDisturbed(): boolean {
    return this.disturbances > 0 || (this.options.isDisturbed?.() ?? false);
  }

  /** Breaks something; requests may fail until it is over. */
  async whileDisturbed(work: () => Promise<void>): Promise<void> {
    this.disturbances++;
    try {
      await work();
    } finally {
      this.disturbances--;
    }
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
    const found: Violation[] = [];
    let right = 0;
    for (let looks = 1; ; looks++) {
      const before = this.watch.answers;
      const answered = await Promise.all(this.phones.map((phone) => phone.inTurn(() => phone.trySync())));
      const stuck = (await this.fleet?.catchUp()) ?? [];
      const parked = await this.watch.parked();
      const labels = await this.watch.labels();
      await this.watch.readTables();
      found.push(...this.watch.judge());
      const devices = [...this.phones, ...((await this.fleet?.holders()) ?? [])];
      const open = answered.every(Boolean)
        ? devices.flatMap((device) => this.watch.oracle.divergence(device, parked, labels))
        : [violation('divergence', '', '', `devices can't sync: ${this.watch.lastAnswers()}`)];
      open.push(...stuck);
      if (open.length === 0 && this.watch.changesSince(before))
        open.push(violation('divergence', '', '', 'pulls go on to bring what devices have'));
      // Twice, as it has to stay so.
      right = open.length === 0 ? right + 1 : 0;
      if (right === 2 || (looks >= LOOKS && performance.now() > deadline))
        return [
          ...found,
          ...this.watch.oracle.broken(parked),
          ...open,
          ...((await this.fleet?.judge(this.watch)) ?? []),
        ];
      await pause(20);
    }
  }

  /** After a settled moment: what was judged is not needed any more. */
  forget(): void {
    const since = Math.min(...this.phones.map((phone) => phone.lastPull));
    this.watch.forget(since - this.options.slack * 2_000);
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

  /** A bigint has more digits than a JavaScript number. */
  newId(table: TableName): string {
    const hex = createHash('sha1').update(`${this.options.seed} ${this.made++}`).digest('hex');
    if (tableOf(table).keys === 'bigint') return String(BigInt(`0x${hex.slice(0, 15)}`));
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
    const digest = createHash('sha1').update(String(choice)).digest('hex');
    const isNumber = tableOf(table).keys === 'bigint';
    const start = isNumber ? String(BigInt(`0x${digest.slice(0, 15)}`)) : digest.slice(0, 32);
    const columns = ['id::text', 'updated_at::text', ...foreignKeys(table)].join(', ');
    const rows = await this.database.query<{ id: string; updated_at: string }>(
      `(SELECT ${columns} FROM ${table} WHERE id >= $1::text::${keyType(tableOf(table))} AND ${OWN} ORDER BY id LIMIT $2)
       UNION ALL (SELECT ${columns} FROM ${table} WHERE id < $1::text::${keyType(tableOf(table))} AND ${OWN} ORDER BY id LIMIT $2) LIMIT $2`,
      [start, count],
    );
    return rows;
  }

  async someIds(table: TableName, choice: number, count: number): Promise<readonly string[]> {
    return (await this.someRows(table, choice, count)).map(({ id }) => id);
  }

  async compact(): Promise<void> {
    const { status } = await fetch(`${at(this.options.urls, 0)}/world/compact`, { method: 'POST' });
    if (status !== 201 && !this.isDisturbed()) throw new Error(`a compaction answered ${status}`);
  }

  async withClient(work: (client: Client) => Promise<void>): Promise<void> {
    await withClient(this.database.ownUrl, work);
  }

  /**
   * Whoever appends to the changelog waits meanwhile: what is committed is not in it yet. One after the other, and the log
   * goes on for as long in between.
   */
  async whileLogIsHeld(work: (log: HeldLog) => Promise<unknown>): Promise<void> {
    let began = 0;
    const held = this.logHeld.then(async () => {
      const log = await HeldLog.take(this.database.ownUrl);
      began = performance.now();
      try {
        await work(log);
      } finally {
        await log.letGo();
      }
    });
    this.logHeld = held.then(
      () => pause(performance.now() - began),
      () => pause(HOLD),
    );
    await held;
  }

  /** @param clientId of the new one. Default: another */
  replacePhone(phone: Phone, user?: string, clientId?: string): void {
    const n = this.phones.indexOf(phone);
    this.phones[n] = this.newPhone(n, user, clientId);
  }

  /** Ids of the rows that any device of the user has made. */
  workOf(user: string): Set<string> {
    const work = this.works.get(user) ?? new Set();
    this.works.set(user, work);
    return work;
  }

  private newPhone(n: number, user = at(this.options.users, n), clientId: string = randomUUID()): Phone {
    const work = this.workOf(user);
    return new Phone(at(this.options.urls, n), user, clientId, {
      pageSize: at(this.options.pageSizes ?? PAGE_SIZES, n),
      record: (exchange) => this.watch.record(exchange),
      before: () => this.watch.recordLag().catch((error: unknown) => this.unlessDisturbed(error)),
      isDisturbed: () => this.isDisturbed(),
      work,
      skew: at(this.options.skews ?? [0], n),
    });
  }

  private unlessDisturbed(error: unknown): void {
    if (!this.isDisturbed()) throw error;
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
  return [...(parent ? [`${parent.fk}::text`] : []), ...(team ? [team] : [])];
}
