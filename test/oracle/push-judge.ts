import type { PushChange, PushResponse, PushResult } from '../support/wire.js';
import { same } from './content.js';
import type { Evidence } from './evidence.js';
import type { Version } from './history.js';
import type { Exchange } from './exchange.js';
import type { Promises } from './promises.js';
import type { PullJudge } from './pull-judge.js';
import { hasCause } from './refusals.js';
import { during } from './rules.js';
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
      else found.push(...this.refused(exchange, change, result));
    }
    return found;
  }

  /** No answer came: whether its parents were there, nobody knows. */
  unanswered(exchange: Exchange): void {
    const { changes } = exchange.body as { readonly changes: readonly PushChange[] };
    for (const change of changes) this.maybe.add(`${exchange.phone.userId} ${nameOf(change)}`);
  }

  private readonly maybe = new Set<string>();

  private refused(exchange: Exchange, change: PushChange, result: PushResult): readonly Violation[] {
    const { userId: user } = exchange.phone;
    const { table_name: table, id, server_version: version, reason_code: reason, status } = result;
    const found = version ? [...this.pulls.record(exchange, version, true)] : [];
    const why = `${user}'s ${change.operation} of ${JSON.stringify(change)} was refused as ${status} ${reason}`;
    if (!hasCause(this.evidence, exchange, change, result))
      found.push(this.tell('verdict', exchange, change, `${why}, for no reason`));
    if (status === 'conflict' && !version)
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
    return operation === 'create' ? this.misplaced(exchange, change, met) : [];
  }

  private mayWrite({ phone, sent, received }: Exchange, table: TableName, version: Version): boolean {
    const { rules } = this.evidence;
    return during(rules.writable(phone.userId, table, version), sent, received);
  }

  /** Only a child waits, and only while its parent is not there as its user's. */
  private mayWait(exchange: Exchange, change: PushChange, waited: boolean): boolean {
    const { table_name: table, id, operation, data } = change;
    const parent = parentOf(table, data ?? {});
    const user = exchange.phone.userId;
    if (!parent) return false;
    // The row itself is there, and the user's.
    if (this.evidence.ownedThroughout(user, table as TableName, id, exchange)) return false;
    if (operation === 'delete') return waited || this.maybe.has(`${user} ${nameOf(change)}`);
    if (operation === 'update' && !waited && !this.maybe.has(`${user} ${nameOf(change)}`)) return false;
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
    const isUnder = !parent || first.row[parent.fk] === change.data?.[parent.fk];
    if (isOwn && isUnder) return [];
    const what = `${user}'s ${JSON.stringify(change.data)} was written as ${JSON.stringify(first.row)}`;
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

function nameOf({ table_name: table, id }: { readonly table_name: string; readonly id: string }): string {
  return `${table} ${id}`;
}
