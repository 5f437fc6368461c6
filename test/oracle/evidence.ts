import type { PushChange } from '../support/wire.js';
import type { Facts, History, Version } from './history.js';
import { covers, overlap, type Interval } from './intervals.js';
import type { Exchange } from './exchange.js';
import { canonicalId } from './ids.js';
import type { Phone } from './phone.js';
import { during, Rules } from './rules.js';
import { ofStored } from './sight.js';
import { isRaisedFor, type TableName } from './world/tables.js';

export interface EvidenceOptions {
  /**
   * How long after the time of its commit a transaction may become visible, in microseconds: what ended may still be seen
   * for so long.
   */
  readonly slack: number;
  /** Up to when everything that was committed had been applied when a request was sent, in microseconds. */
  readonly appliedUntil: (sent: number) => number;
  /** Whether the tables take no such row. Default: they take every one. */
  readonly refuses?: Refuses | undefined;
  /** When something raised for rows of a table (`isRaisedFor`), by table. Default: never. */
  readonly raising?: ReadonlyMap<string, readonly Interval[]>;
  /** From how many bytes of rows on an answer to a push leaves the rest of them to pulls. Default: no answer has as many. */
  readonly pageBytes?: number | undefined;
}

/** @param others rows of the table that were there meanwhile, whatever became of them */
export type Refuses = (table: string, row: Facts, others: readonly Facts[]) => boolean;

/** What the judges go by: who could see what, and when. Shares no code with the library. */
export class Evidence {
  /** What may have been. */
  readonly rules: Rules;
  /** What was, by the times of the commits. */
  readonly exact: Rules;
  readonly slack: number;
  readonly appliedUntil: EvidenceOptions['appliedUntil'];
  readonly pageBytes: number;
  private readonly raising: ReadonlyMap<string, readonly Interval[]>;
  private readonly refuses: Refuses;

  constructor(
    readonly history: History,
    {
      slack,
      appliedUntil,
      refuses = () => false,
      raising = new Map(),
      pageBytes = Infinity,
    }: EvidenceOptions,
  ) {
    this.rules = new Rules(history, slack);
    this.exact = new Rules(history, 0);
    this.slack = slack;
    this.appliedUntil = appliedUntil;
    this.refuses = refuses;
    this.raising = raising;
    this.pageBytes = pageBytes;
  }

  /** The versions of a row that a request may have met. */
  met(table: TableName, id: string, { sent, received }: Exchange): readonly Version[] {
    return this.history.of(table, id).filter(({ from, to }) => from <= received && to + this.slack >= sent);
  }

  /** Whether these intervals (of {@link exact}) leave a request no moment without any of them. */
  throughout(intervals: readonly Interval[], since: number, until: number): boolean {
    return covers(intervals, since - this.slack, until);
  }

  /** Whether a user owned a row for as long as a request took, so that nothing else can have been found. */
  ownedThroughout(user: string, table: TableName, id: string, { sent, received }: Exchange): boolean {
    return this.throughout(this.owned(user, table, id), sent, received);
  }

  /** Whether a trigger or a hook may have raised for a change, by what was sent or by the row that it met. */
  mayRaise(exchange: Exchange, { table_name: table, id, data }: PushChange): boolean {
    if (!during(this.raising.get(table) ?? [], exchange.sent, exchange.received)) return false;
    return [data, ...this.met(table as TableName, id, exchange).map(({ row }) => row)].some((row) =>
      isRaisedFor(table, row?.['rank']),
    );
  }

  /** Whether the tables take no row as a device sent it, beside the others that it may have met. */
  isRefused(exchange: Exchange, { table_name: name, id, data }: PushChange): boolean {
    const table = name as TableName;
    const others = this.history.ids(table).filter((other) => other !== canonicalId(id));
    const met = others.flatMap((other) => this.met(table, other, exchange).map(({ row }) => row));
    return this.refuses(table, { ...data, user_id: exchange.phone.userId }, met);
  }

  /** Whether a user was in a team for as long as a request took. */
  isMember({ phone, sent, received }: Exchange, team: unknown): boolean {
    return this.throughout(this.history.granted('team_members', team, phone.userId), sent, received);
  }

  ownsNow(user: string, table: TableName, id: string): boolean {
    return this.owned(user, table, id).some(({ to }) => to === Infinity);
  }

  /** When a user owned a row, whatever it was. */
  owned(user: string, table: TableName, id: string): readonly Interval[] {
    return this.history.of(table, id).flatMap((version) => this.exact.writable(user, table, version));
  }

  /** When a row was there for a device to see, not soft-deleted, by the subscriptions that were stored for it. */
  shown(phone: Phone, table: TableName, id: string): readonly Interval[] {
    const live = this.history.of(table, id).filter(({ row }) => row['deleted_at'] === null);
    const sight = ofStored(phone);
    return live.flatMap((version) =>
      overlap([version], this.exact.readable(phone.userId, table, version, sight)),
    );
  }
}
