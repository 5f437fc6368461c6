import type { PullResponse, WireRecord } from '../support/wire.js';
import { same } from './content.js';
import type { Evidence } from './evidence.js';
import { canonicalId } from './ids.js';
import { overlap, type Interval } from './intervals.js';
import type { Exchange } from './exchange.js';
import { during } from './rules.js';
import { ofLog, ofRequest } from './sight.js';
import { violation, type Violation } from './violation.js';
import { depthOf, parentOf, type RowName, tableOf, type TableName } from './world/tables.js';

/** Judges what devices are given, and what they are told to delete. */
export class PullJudge {
  constructor(private readonly evidence: Evidence) {}

  pull(exchange: Exchange, response: PullResponse): readonly Violation[] {
    const { changes, deletes } = response;
    const ids = deletes.flatMap(({ id, table_name: table }) =>
      this.deleted(exchange, table as TableName, id),
    );
    // To say it again tells nothing.
    for (const { id } of deletes) exchange.phone.known.add(canonicalId(id));
    return [
      ...changes.flatMap((record) => this.dead(exchange, record)),
      ...changes.flatMap((record) => this.record(exchange, record)),
      ...ids,
      ...page(exchange, response),
    ];
  }

  /**
   * A record that its user could not see, in this version, at any moment of the request.
   *
   * @param owned what the user owned counts, too
   */
  record(exchange: Exchange, record: WireRecord, owned = false): readonly Violation[] {
    const { rules, history } = this.evidence;
    const { phone, sent, received } = exchange;
    const { table_name: name, id, data } = record;
    const table = name as TableName;
    const user = phone.userId;
    phone.known.add(canonicalId(id));
    const versions = history.of(table, id).filter(({ row }) => same(Object.keys(data), data, row));
    const seen = versions.some((version) => {
      const moments = [
        ...rules.readable(user, table, version, ofRequest(exchange)),
        ...(owned ? rules.writable(user, table, version) : []),
      ];
      return during(moments, sent, received);
    });
    if (seen || this.isStillListed(exchange, table, id, versions)) return [];
    const why =
      versions.length === 0 ? 'no such version was ever committed' : 'it could not see that version';
    const what = `${user} got from ${exchange.path}: ${why}: ${JSON.stringify(data)}`;
    return [violation('leak', table, id, what, phone)];
  }

  /** What the log knew to be soft-deleted is no change any more (interleavings 8). */
  private dead(exchange: Exchange, { table_name: table, id, data }: WireRecord): readonly Violation[] {
    const { history, appliedUntil, slack } = this.evidence;
    const { phone, sent, received } = exchange;
    if (data['deleted_at'] === null) return [];
    const since = appliedUntil(sent) - slack;
    const isLive = history
      .of(table as TableName, id)
      .some(({ row, from, to }) => row['deleted_at'] === null && from <= received && to >= since);
    if (isLive) return [];
    return [violation('leak', table, id, `${phone.userId} is given what was deleted before`, phone)];
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
    const { rules, slack, appliedUntil } = this.evidence;
    const isServedNow = served.some(({ from, to }) => from <= received && to + slack >= sent);
    if (tableOf(table).shared !== true || !isServedNow) return false;
    const seen = rules.everReadable(phone.userId, table, id, ofRequest(exchange));
    return during(seen, Math.min(since(exchange), appliedUntil(sent)), received);
  }

  private deleted(exchange: Exchange, table: TableName, id: string): readonly Violation[] {
    const { evidence } = this;
    const { phone, received } = exchange;
    const from = this.toldFrom(exchange);
    const tell = (what: string): readonly Violation[] => [
      violation('leak', table, id, `${phone.userId} is told to delete ${what}`, phone),
    ];
    // Nothing has taken it away: it would be gone from the device, until something brings it back.
    const shown = evidence.shown(phone, table, id);
    // Under another spelling it has a record that it made itself, and is given under the server's.
    const isKept = evidence.throughout(shown, from, received) && !this.isAheadOfLog(exchange, shown, from);
    if (id === canonicalId(id) && isKept) {
      const what = `${phone.userId} is told to delete what it could see all the time`;
      return [violation('loss', table, id, what, phone)];
    }
    if (phone.known.has(canonicalId(id)) || phone.isOwnWork(id)) return [];
    const seen = evidence.rules.everReadable(phone.userId, table, id, ofLog(exchange, evidence.appliedUntil));
    if (during(seen, from, received) || this.leftLate(exchange, { table, id }, from)) return [];
    return tell('what it never could see');
  }

  /**
   * A grant that is gone is known at once, and what has brought the row to its user in another way only by the log: in
   * between the row is told to be gone, and then is given again.
   */
  private isAheadOfLog(
    { phone, sent, received }: Exchange,
    shown: readonly Interval[],
    from: number,
  ): boolean {
    const { evidence } = this;
    const applied = evidence.appliedUntil(sent);
    const known = shown.filter(({ from: began }) => began <= applied);
    return (
      !evidence.throughout(known, from, received) &&
      evidence.history.hasLostGrant(phone.userId, from, received)
    );
  }

  /**
   * Where a row has been lost, and is gone or elsewhere by the time at which the log gets to that, it is found only when
   * the log gets to its next change: its id is still told to who could see it before, and so are the ids of rows that
   * were made under it meanwhile. That is documented (docs/internals/reliability.md).
   */
  private leftLate(exchange: Exchange, { table, id }: RowName, from: number): boolean {
    const { history, rules, slack, appliedUntil } = this.evidence;
    const { phone, received } = exchange;
    const versions = history.of(table, id);
    const seen = rules.everReadable(phone.userId, table, id, ofLog(exchange, appliedUntil));
    const ended = versions.filter(({ to }) => to <= received && to + slack >= from);
    if (overlap(seen, ended).length > 0) return true;
    return versions.some(({ row }) => {
      const parent = parentOf(table, row);
      return parent && !this.isThere(parent, received) && this.leftLate(exchange, parent, from);
    });
  }

  /** Whether a row has always been where it is. */
  private isThere({ table, id }: RowName, at: number): boolean {
    const versions = this.evidence.history.of(table, id);
    const places = new Set(versions.map(({ row }) => parentOf(table, row)?.id));
    return places.size === 1 && versions.some(({ to }) => to > at);
  }

  /**
   * Since when what was committed may still have to be told: since the last pull, as far as the log was there then and
   * the consumer had done what it was asked to.
   */
  private toldFrom(exchange: Exchange): number {
    const { appliedUntil } = this.evidence;
    const last = since(exchange);
    return Math.min(last, appliedUntil(last), exchange.lastTold, appliedUntil(exchange.lastTold));
  }
}

/** When the phone was last up to date. */
function since({ sent, lastPull }: Exchange): number {
  return lastPull === 0 ? sent : lastPull;
}

/** What a page has to be like, whatever is on it. */
function page(exchange: Exchange, response: PullResponse): readonly Violation[] {
  const { changes, deletes, checkpoint, has_more: hasMore, snapshot_required: refused } = response;
  const { phone, body } = exchange;
  const { checkpoint: asked, limit } = body as { readonly checkpoint: number; readonly limit: number };
  const found: Violation[] = [];
  const tell = (what: string, table = '', id = ''): void =>
    void found.push(violation('protocol', table, id, `${phone.userId}'s pull: ${what}`, phone));
  if (refused) return found;
  if (changes.length + deletes.length > limit) tell(`more than ${limit} records`);
  if (checkpoint < asked || (hasMore && checkpoint === asked)) tell(`from ${asked} to ${checkpoint}`);
  const changed = new Set(changes.map(({ table_name: table, id }) => `${table} ${id}`));
  for (const { table_name: table, id } of deletes)
    if (changed.has(`${table} ${id}`)) tell('a record that is changed and deleted', table, id);
  const depths = changes.map(({ table_name: table }) => depthOf(table));
  if (depths.some((depth, n) => n > 0 && depth < (depths[n - 1] ?? 0)))
    tell('children come before their parents');
  return found;
}
