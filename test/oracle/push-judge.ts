import type { PushChange, PushResponse, PushResult } from '../support/wire.js';
import { same } from './content.js';
import type { Evidence } from './evidence.js';
import type { Version } from './history.js';
import type { Exchange } from './exchange.js';
import { canonicalId } from './ids.js';
import { keyOf, type Promises } from './promises.js';
import type { PullJudge } from './pull-judge.js';
import { hasCause } from './refusals.js';
import { during } from './rules.js';
import { ofRequest } from './sight.js';
import { violation, type Violation } from './violation.js';
import { parentOf, tableOf, writtenColumns, type TableName } from './world/tables.js';

/** Judges what becomes of what devices push. */
export class PushJudge {
  constructor(
    private readonly evidence: Evidence,
    private readonly pulls: PullJudge,
    private readonly promises: Promises,
  ) {}

  judge(exchange: Exchange, response: PushResponse): readonly Violation[] {
    const { changes } = exchange.body as { readonly changes: readonly PushChange[] };
    const isFull = this.isFull(exchange, response);
    const sent = new Map(changes.map((change) => [nameOf(change), change]));
    const results = [...response.accepted, ...response.rejected];
    const answered = new Set(results.map(nameOf));
    const found = changes
      .filter((change) => !answered.has(nameOf(change)))
      .map(({ table_name: table, id }) => violation('loss', table, id, 'was pushed, and not answered'));
    for (const result of results) {
      const change = sent.get(nameOf(result));
      // Each once.
      sent.delete(nameOf(result));
      if (!change) found.push(this.tell('loss', exchange, result, 'was answered, and not pushed'));
      else if (response.accepted.includes(result)) found.push(...this.accepted(exchange, change));
      else found.push(...this.refused(exchange, change, result, isFull));
    }
    return found;
  }

  /** No answer came: whether its parents were there, nobody knows. */
  unanswered(exchange: Exchange): void {
    const { changes } = exchange.body as { readonly changes: readonly PushChange[] };
    for (const change of changes) this.maybe.add(keyOf(exchange.phone.userId, change.table_name, change.id));
  }

  private readonly maybe = new Set<string>();

  /** Whether the rows that the answer leaves out did not fit on it. */
  private isFull(exchange: Exchange, { rejected }: PushResponse): boolean {
    const given = rejected.reduce((sum, { server_version: row }) => sum + (row ? bytesOf(row) : 0), 0);
    const left = rejected
      .filter(({ server_version: row }) => !row)
      .flatMap(({ table_name: table, id }) => this.evidence.met(table as TableName, id, exchange));
    return left.some(({ row }) => given + bytesOf(row) + ENVELOPE > this.evidence.pageBytes);
  }

  private refused(
    exchange: Exchange,
    change: PushChange,
    result: PushResult,
    isFull: boolean,
  ): readonly Violation[] {
    const { userId: user } = exchange.phone;
    const { table_name: table, id, server_version: version, reason_code: reason, status } = result;
    const found = version ? [...this.pulls.record(exchange, version, true)] : [];
    const why = `${user}'s ${change.operation} of ${JSON.stringify(change)} was refused as ${status} ${reason}`;
    if (!hasCause(this.evidence, exchange, change, result))
      found.push(this.tell('verdict', exchange, change, `${why}, for no reason`));
    if (status === 'conflict' && !version && !isFull)
      found.push(this.tell('verdict', exchange, change, `${why}, without the row that won`));
    if (reason === 'parent_missing') this.promises.giveUp(exchange, table as TableName, id);
    // An earlier try, whose answer was lost, may have taken what waited.
    if (change.operation === 'delete' && reason === 'record_not_found') this.promises.end(user, table, id);
    return found;
  }

  /** What was accepted must have been the row's state, and its user must have been the one who may write it. */
  private accepted(exchange: Exchange, change: PushChange): readonly Violation[] {
    const { phone } = exchange;
    const { operation, id } = change;
    const user = phone.userId;
    const table = change.table_name as TableName;
    const data = { ...change.data };
    const met = this.evidence.met(table, id, exchange);
    const waited = this.promises.has(user, table, id);
    const made = met.filter(({ row }) =>
      operation === 'delete' ? row['deleted_at'] !== null : same(writtenColumns(table, data), data, row),
    );
    if (operation === 'delete') this.promises.end(user, table, id);
    const isAllowed = made.some((version) => this.mayWrite(exchange, table, version));
    // A create, or a change of what waits, waits for its parent.
    if (!isAllowed && this.mayWait(exchange, change, waited)) {
      if (operation !== 'delete') this.promises.make(user, change);
      return [];
    }
    if (made.length === 0) {
      const was = met.map(({ row }) => JSON.stringify(row)).join(' then ');
      const what = `${user}'s ${operation} was accepted, but the row was ${was}, not ${JSON.stringify(data)}`;
      return [this.tell('loss', exchange, change, what)];
    }
    // What waited of the record before, this device or another one of the user has replaced.
    this.promises.end(user, table, id);
    if (!isAllowed) return [this.tell('authority', exchange, change, `${user} wrote what is not theirs`)];
    return [
      ...(operation === 'create' ? this.misplaced(exchange, change, met) : []),
      ...(operation === 'delete' ? [] : this.outOfReach(exchange, change, made)),
    ];
  }

  private mayWrite({ phone, sent, received }: Exchange, table: TableName, version: Version): boolean {
    const { rules } = this.evidence;
    // What the same transaction has written over was there for a moment.
    const there = { ...version, to: Math.max(version.to, version.from + 1) };
    return during(rules.writable(phone.userId, table, there), sent, received);
  }

  /** Only a child waits, and only while its parent is not there as its user's. */
  private mayWait(exchange: Exchange, change: PushChange, waited: boolean): boolean {
    const user = exchange.phone.userId;
    const { table_name: table, id, operation, data } = this.promises.unmoved(user, change);
    const parent = parentOf(table, data ?? {});
    if (!parent) return false;
    // The row itself is there, and the user's.
    if (this.evidence.ownedThroughout(user, table as TableName, id, exchange)) return false;
    if (operation === 'delete') return waited || this.maybe.has(keyOf(user, table, id));
    if (operation === 'update' && !waited && !this.maybe.has(keyOf(user, table, id))) return false;
    return !this.evidence.ownedThroughout(user, parent.table, parent.id, exchange);
  }

  /** A row that was made during the request has the parent and the owner that it was sent with. */
  private misplaced(exchange: Exchange, change: PushChange, met: readonly Version[]): readonly Violation[] {
    const { parent, owner } = tableOf(change.table_name);
    const { userId: user } = exchange.phone;
    const all = this.evidence.history.of(change.table_name as TableName, change.id);
    const [first] = met;
    const isNew =
      first !== undefined && first.from >= exchange.sent && !all.some(({ to }) => to === first.from);
    if (!isNew) return [];
    const isOwn = !owner || first.row[owner] === user;
    const isUnder =
      !parent ||
      String(first.row[parent.fk]) === canonicalId(parentOf(change.table_name, change.data ?? {})?.id ?? '');
    if (isOwn && isUnder) return [];
    const what = `${user}'s ${JSON.stringify(change.data)} was written as ${JSON.stringify(first.row)}`;
    return [this.tell('authority', exchange, change, what)];
  }

  /** What a push has written, its user reads, or the row was there before. */
  private outOfReach(exchange: Exchange, change: PushChange, made: readonly Version[]): readonly Violation[] {
    const { rules, history } = this.evidence;
    const { phone, sent, received } = exchange;
    const table = change.table_name as TableName;
    const { team } = tableOf(table);
    const written = made.filter(({ from }) => from >= sent);
    const isHidden = written.every((version) => {
      const before = history.of(table, change.id).find(({ to }) => to === version.from)?.row;
      const wasThere = before?.['deleted_at'] === null && (!team || before[team] === version.row[team]);
      const readable = rules.readable(phone.userId, table, version, ofRequest(exchange));
      return !wasThere && !during(readable, sent, received);
    });
    if (written.length === 0 || !isHidden) return [];
    const what = `${phone.userId} wrote ${JSON.stringify(change.data)} where they do not read`;
    return [this.tell('authority', exchange, change, what)];
  }

  private tell(
    rule: Violation['rule'],
    { phone }: Exchange,
    { table_name: table, id }: { readonly table_name: string; readonly id: string },
    what: string,
  ): Violation {
    return violation(rule, table, id, what, phone);
  }
}

/** What a row has around it in an answer, at most. */
const ENVELOPE = 250;

function bytesOf(row: unknown): number {
  return Buffer.byteLength(JSON.stringify(row));
}

function nameOf({ table_name: table, id }: { readonly table_name: string; readonly id: string }): string {
  return `${table} ${id}`;
}
