import type {
  PullResponse,
  PushChange,
  PushResponse,
  Row,
  SnapshotResponse,
  WireRecord,
} from '../support/wire.js';
import { differences, same } from './content.js';
import type { Facts, History } from './history.js';
import { covers, type Interval, overlap } from './intervals.js';
import type { Exchange, Phone } from './phone.js';
import { ofLog, ofRequest } from './sight.js';
import { during, Rules } from './rules.js';
import { TABLE_NAMES, tableOf, type TableName } from './world/tables.js';

/** Something that must never be, told so that it can be understood without the run. */
export interface Violation {
  readonly rule: 'leak' | 'loss' | 'authority' | 'divergence';
  readonly table: string;
  readonly id: string;
  readonly what: string;
  /** The device that it is about. */
  readonly phone?: Phone;
}

export interface OracleOptions {
  /** See {@link Rules}; also how far a moment may lie outside of a request. In microseconds. */
  readonly slack: number;
  /** Up to when everything that was committed had been applied when a request was sent, in microseconds. */
  readonly appliedUntil: (sent: number) => number;
}

/** Judges answers and devices by the history of the tables. Shares no code with the library. */
export class Oracle {
  private readonly rules: Rules;
  /** What was accepted before its parent was there, by `<user> <table> <id>`: the last change of each. */
  private readonly promised = new Map<string, PushChange>();
  private restoredAt = 0;

  constructor(
    private readonly history: History,
    private readonly options: OracleOptions,
  ) {
    this.rules = new Rules(history, options.slack);
  }

  /** An answer; in the order in which they came. */
  judge(exchange: Exchange): readonly Violation[] {
    const { path, answer } = exchange;
    if (answer.status !== 200) return [];
    if (path === 'pull') return this.judgePull(exchange, answer.json as unknown as PullResponse);
    if (path === 'snapshot') {
      const { records } = answer.json as unknown as SnapshotResponse;
      return records.flatMap((record) => this.leak(exchange, record));
    }
    if (path !== 'push') return [];
    return this.judgePush(exchange, answer.json as unknown as PushResponse);
  }

  /**
   * What was accepted, and is nowhere.
   *
   * @param parked `<user> <table> <id>` of what the server keeps until its parent comes
   */
  broken(parked: ReadonlySet<string>): readonly Violation[] {
    return [...this.promised].flatMap(([key, { table_name: table, id, data }]) => {
      if (parked.has(key)) return [];
      this.promised.delete(key);
      const versions = this.history.of(table as TableName, id);
      if (versions.some(({ row }) => same(written(table as TableName, data ?? {}), data ?? {}, row)))
        return [];
      return [violation('loss', table, id, `was accepted, and never written: ${JSON.stringify(data)}`)];
    });
  }

  /** The sync tables were put back to what they once were: what waited in them for its parent is gone with it. */
  restored(at: number, phones: readonly Phone[]): void {
    this.restoredAt = at;
    for (const key of this.promised.keys()) {
      const [user, ...row] = key.split(' ');
      for (const phone of phones) if (phone.userId === user) phone.refused.add(row.join(' '));
    }
    this.promised.clear();
  }

  /** What keeps a phone from holding exactly what its user may see, as the tables have it. */
  divergence(phone: Phone, parked: ReadonlySet<string>): readonly Violation[] {
    return TABLE_NAMES.flatMap((table) => {
      const shown = phone.rows(table);
      const expected = new Map(
        [...this.history.current(table)]
          .filter((row) => row['deleted_at'] === null && this.readsNow(phone.userId, table, row))
          .map((row) => [String(row['id']), row]),
      );
      const wrong = new Map<string, string>();
      for (const id of shown.keys()) {
        if (!expected.has(id) && !this.mayStay(phone, table, id, parked))
          wrong.set(id, 'is on the device, and should not be');
      }
      for (const [id, row] of expected) {
        phone.refused.delete(`${table} ${id}`);
        const local = shown.get(id);
        const columns = local ? differences(Object.keys(row), local, row) : ['it is not there'];
        if (columns.length > 0) wrong.set(id, `differs on the device: ${columns.join(', ')}`);
      }
      return [...wrong].map(([id, what]) =>
        violation('divergence', table, id, `${phone.userId}: ${what}`, phone),
      );
    });
  }

  /**
   * What the SDKs keep of what was refused, what waits for its parent, and what its user made for others to read: no
   * one could tell the device to delete it.
   */
  private mayStay(phone: Phone, table: TableName, id: string, parked: ReadonlySet<string>): boolean {
    const key = `${table} ${id}`;
    if (phone.refused.has(key) || parked.has(`${phone.userId} ${key}`)) return true;
    const versions = this.history.of(table, id);
    const wrote = versions.some((version) => this.rules.writable(phone.userId, table, version).length > 0);
    // A row that the device was told to delete may be made again by its user.
    const since = phone.accepted.get(key) ?? 0;
    // Who comes to it when it is soft-deleted is told nothing of it.
    const shown = versions
      .filter(({ row }) => row['deleted_at'] === null)
      .flatMap((version) => this.rules.readable(phone.userId, table, version));
    if (!wrote || this.looked(phone, since, shown)) return false;
    // It stays when the row is gone, too.
    phone.refused.add(key);
    return true;
  }

  /**
   * Whether the phone, since a moment, certainly asked within one of these intervals, which are widened, and again once
   * what it asked for then was in the log.
   */
  private looked({ looks }: Phone, since: number, intervals: readonly Interval[]): boolean {
    const { slack, appliedUntil } = this.options;
    return intervals.some(({ from, to }) => {
      const began = Math.max(since, from + slack);
      const inside = looks.filter((look) => look.from >= began && look.to <= to - 2 * slack);
      const noticed = inside[0]?.to ?? Infinity;
      return inside.some((look) => appliedUntil(look.from) >= noticed);
    });
  }

  private readsNow(user: string, table: TableName, row: Facts): boolean {
    const last = this.history.of(table, String(row['id'])).at(-1);
    return last !== undefined && isNow(this.rules.readable(user, table, last));
  }

  private judgePull(exchange: Exchange, { changes, deletes }: PullResponse): readonly Violation[] {
    const leaks = changes.flatMap((record) => this.leak(exchange, record));
    const ids = deletes
      .filter(({ id }) => !exchange.phone.known.has(id))
      .filter(({ id, table_name: table }) => {
        const sight = ofLog(exchange, this.options.appliedUntil);
        const seen = this.rules.everReadable(exchange.phone.userId, table as TableName, id, sight);
        const since = this.laggingDeletes(exchange);
        return (
          !this.during(seen, since, exchange.received) &&
          !this.leftLate(exchange, table as TableName, id, seen, since)
        );
      })
      .map(({ id, table_name: table }) =>
        violation(
          'leak',
          table,
          id,
          `${exchange.phone.userId} is told to delete what it never could see`,
          exchange.phone,
        ),
      );
    // To say it again tells nothing.
    for (const { id } of deletes) exchange.phone.known.add(id);
    return [...leaks, ...ids];
  }

  /**
   * Where a row has been lost, and is gone or elsewhere by the time at which the log gets to that, it is found only when
   * the log gets to its next change: its id is still told to who could see it before. That is documented.
   */
  private leftLate(
    { received }: Exchange,
    table: TableName,
    id: string,
    seen: readonly Interval[],
    since: number,
  ): boolean {
    const { slack } = this.options;
    const ended = this.history
      .of(table, id)
      .filter(({ to }) => to <= received + slack && to >= since - slack);
    return overlap(seen, ended).length > 0;
  }

  /** A record that its user could not see, in this version, at any moment since the last pull. */
  private leak(exchange: Exchange, record: WireRecord, owned = false): readonly Violation[] {
    const { phone, received } = exchange;
    const { table_name: table, id, data } = record;
    phone.known.add(id);
    const versions = this.history
      .of(table as TableName, id)
      .filter(({ row }) => same(Object.keys(data), data, row));
    const since = this.since(exchange, table);
    const seen = versions.some((version) => {
      const user = phone.userId;
      const moments = [
        ...this.rules.readable(user, table as TableName, version, ofRequest(exchange)),
        ...(owned ? this.rules.writable(user, table as TableName, version) : []),
      ];
      return this.during(moments, since, received);
    });
    if (seen || this.isStillListed(exchange, table as TableName, id, versions)) return [];
    const why =
      versions.length === 0 ? 'no such version was ever committed' : 'it could not see that version';
    return [
      violation(
        'leak',
        table,
        id,
        `${phone.userId} got from ${exchange.path}: ${why}: ${JSON.stringify(data)}`,
        phone,
      ),
    ];
  }

  /**
   * Where a bucket function decides, a row that has left its user's buckets is still served, as it is now, until the
   * changelog has come as far: that is documented.
   */
  private isStillListed(
    exchange: Exchange,
    table: TableName,
    id: string,
    served: readonly Interval[],
  ): boolean {
    const { phone, sent, received } = exchange;
    return (
      tableOf(table).shared === true &&
      this.during(served, sent, received) &&
      this.during(
        this.rules.everReadable(phone.userId, table, id, ofRequest(exchange)),
        this.lagging(exchange),
        received,
      )
    );
  }

  private judgePush(exchange: Exchange, { accepted, rejected }: PushResponse): readonly Violation[] {
    const { changes } = exchange.body as { readonly changes: readonly PushChange[] };
    const counted = new Map(changes.map((change) => [`${change.table_name} ${change.id}`, change]));
    const leaks = rejected.flatMap((result) =>
      result.server_version ? this.leak(exchange, result.server_version, true) : [],
    );
    const answered = accepted.length + rejected.length;
    const missing =
      answered === changes.length
        ? []
        : [violation('loss', '', '', `${changes.length} changes were pushed, ${answered} were answered`)];
    const wrong = accepted.flatMap(({ table_name: table, id }) => {
      const change = counted.get(`${table} ${id}`);
      return change
        ? this.accepted(exchange, change)
        : [violation('loss', table, id, 'was accepted, and never pushed')];
    });
    for (const { table_name: table, id, operation, reason_code: reason } of rejected) {
      if (reason === 'parent_missing') this.giveUp(exchange, table as TableName, id);
      // An earlier try, whose answer was lost, may have taken what waited.
      if (operation === 'delete' && reason === 'record_not_found')
        this.promised.delete(`${exchange.phone.userId} ${table} ${id}`);
    }
    return [...leaks, ...missing, ...wrong];
  }

  /** What waited for a parent that has come as another's is given up, as its device is told at the record's next change. */
  private giveUp({ phone, sent, received }: Exchange, table: TableName, id: string): void {
    const key = `${phone.userId} ${table} ${id}`;
    const { parent } = tableOf(table);
    const waited = this.promised.get(key);
    if (!parent || !waited) return;
    const above = parent.table as TableName;
    const parentId = waited.data?.[parent.fk];
    if (typeof parentId !== 'string') return;
    const there = this.history
      .of(above, parentId)
      .filter((version) => this.during([version], sent, received));
    const isTheirs = there.some((version) =>
      this.during(this.rules.writable(phone.userId, above, version), sent, received),
    );
    if (there.length > 0 && !isTheirs) this.promised.delete(key);
  }

  /** What was accepted must have been the row's state, and its user must have been the one who may write it. */
  private accepted(exchange: Exchange, change: PushChange): readonly Violation[] {
    const { phone, sent, received } = exchange;
    const table = change.table_name as TableName;
    const around = this.history
      .of(table, change.id)
      .filter((version) => this.during([version], sent, received));
    const data = { ...change.data };
    const key = `${phone.userId} ${table} ${change.id}`;
    if (change.operation === 'delete') this.promised.delete(key);
    // A row that went at about that moment may have gone before; then its create waits for its parent, perhaps.
    const made = around.filter(({ row }) =>
      change.operation === 'delete' ? row['deleted_at'] !== null : same(written(table, data), data, row),
    );
    // So does the create of a row that its user can't see, or could not at some moment meanwhile or when the log was as far
    // as it is: who else has one of that id is not told.
    const user = phone.userId;
    const logged = Math.min(sent, this.options.appliedUntil(sent));
    const inLog = this.during(this.rules.everReadable(user, table, change.id), logged, logged);
    const known = around.flatMap((version) => [
      ...this.rules.writable(user, table, version),
      ...(inLog ? this.rules.readable(user, table, version) : []),
    ]);
    const mayWait =
      around.every((version) => version.to <= received + this.options.slack) ||
      !covers(known, sent, received);
    if (made.length === 0 && mayWait) {
      if (exchange.sent < this.restoredAt) phone.refused.add(`${table} ${change.id}`);
      else if (change.operation !== 'delete') this.promised.set(key, change);
      return [];
    }
    if (made.length === 0) {
      const was = around.map(({ row }) => JSON.stringify(row)).join(' then ');
      const what = `${phone.userId}'s ${change.operation} was accepted, but the row was ${was}, not ${JSON.stringify(data)}`;
      return [violation('loss', table, change.id, what, phone)];
    }
    // What waited of the record before, this device or another one of the user has replaced.
    this.promised.delete(key);
    const allowed = made.some((version) =>
      this.during(this.rules.writable(phone.userId, table, version), sent, received),
    );
    if (allowed) return [];
    // What it says was there until a moment before, made by an earlier try, and had become another's when it went.
    const isGone = made.every(({ to }) => to <= received + this.options.slack);
    if (change.operation === 'create' && mayWait && isGone) {
      this.promised.set(key, change);
      return [];
    }
    return [violation('authority', table, change.id, `${phone.userId} wrote what is not theirs`, phone)];
  }

  /** With a bucket function, the changelog may lag behind what the tables say: that is documented. */
  private since(exchange: Exchange, table: string): number {
    return tableOf(table).shared ? this.lagging(exchange) : since(exchange);
  }

  /** The last pull told everything up to some moment before it. */
  private lagging(exchange: Exchange): number {
    return Math.min(since(exchange), this.options.appliedUntil(since(exchange)));
  }

  /** Deletes also tell what the consumer was asked to. */
  private laggingDeletes(exchange: Exchange): number {
    const { lastTold } = exchange;
    return Math.min(this.lagging(exchange), lastTold, this.options.appliedUntil(lastTold));
  }

  private during(moments: Parameters<typeof during>[0], since: number, until: number): boolean {
    return during(moments, since - this.options.slack, until + this.options.slack);
  }
}

/** When the phone was last up to date. */
function since({ sent, lastPull }: Exchange): number {
  return lastPull === 0 ? sent : lastPull;
}

/** The columns of a pushed row that the server takes from a device. */
function written(table: TableName, data: Row): readonly string[] {
  const { team } = tableOf(table);
  const free = ['title', 'rank', 'amount', 'data', ...(team ? [team] : [])];
  return free.filter((column) => data[column] !== undefined);
}

function isNow(intervals: readonly Interval[]): boolean {
  return intervals.some(({ to }) => to === Infinity);
}

function violation(
  rule: Violation['rule'],
  table: string,
  id: string,
  what: string,
  phone?: Phone,
): Violation {
  return { rule, table, id, what, ...(phone && { phone }) };
}
