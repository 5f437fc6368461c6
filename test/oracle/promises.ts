import type { PushChange } from '../support/wire.js';
import { same } from './content.js';
import type { Evidence } from './evidence.js';
import type { Exchange } from './exchange.js';
import { rowKey } from './ids.js';
import { violation, type Violation } from './violation.js';
import { parentOf, tableOf, writtenColumns, type TableName } from './world/tables.js';

/** What was accepted before its parent was there, by `<user> <table> <id>`: the last change of each. */
export class Promises {
  private readonly kept = new Map<string, PushChange>();
  /** How often something was parked, and released. */
  readonly paths = new Map([
    ['parked', 0],
    ['released', 0],
  ]);

  constructor(private readonly evidence: Evidence) {}

  make(user: string, change: PushChange): void {
    this.kept.set(keyOf(user, change.table_name, change.id), this.unmoved(user, change));
    this.count('parked');
  }

  /** A device's move is not taken: an update of what waits leaves it under the parent for which it waits. */
  unmoved(user: string, change: PushChange): PushChange {
    const { parent } = tableOf(change.table_name);
    const kept = this.kept.get(keyOf(user, change.table_name, change.id))?.data;
    if (!parent || !kept || change.operation !== 'update') return change;
    return { ...change, data: { ...change.data, [parent.fk]: kept[parent.fk] ?? null } };
  }

  has(user: string, table: string, id: string): boolean {
    return this.kept.has(keyOf(user, table, id));
  }

  end(user: string, table: string, id: string): void {
    this.kept.delete(keyOf(user, table, id));
  }

  /** What waited for a parent that has come as another's is given up, as its device is told at the record's next change. */
  giveUp(exchange: Exchange, table: TableName, id: string): void {
    const { evidence } = this;
    const user = exchange.phone.userId;
    const parent = parentOf(table, this.kept.get(keyOf(user, table, id))?.data ?? {});
    if (!parent) return;
    const isThere = evidence.met(parent.table, parent.id, exchange).length > 0;
    if (isThere && !evidence.ownedThroughout(user, parent.table, parent.id, exchange))
      this.end(user, table, id);
  }

  /**
   * What was accepted, and is nowhere: neither was it ever written, nor does it wait for a parent that is missing.
   *
   * @param parked `<user> <table> <id>` of what the server keeps until its parent comes
   */
  broken(parked: ReadonlySet<string>): readonly Violation[] {
    return [...this.kept].flatMap(([key, { table_name: name, id, data }]) => {
      const table = name as TableName;
      if (parked.has(key) && this.isMissing(key, table, data ?? {})) return [];
      this.kept.delete(key);
      const columns = writtenColumns(table, data ?? {});
      const versions = this.evidence.history.of(table, id);
      if (versions.some(({ row }) => same(columns, data ?? {}, row))) {
        this.count('released');
        return [];
      }
      const why = parked.has(key) ? 'still waits, though its parent is there' : 'was never written';
      return [violation('loss', table, id, `was accepted, and ${why}: ${JSON.stringify(data)}`)];
    });
  }

  /**
   * The sync tables were put back to what they once were: what waited in them for its parent is gone with it.
   *
   * @returns what is given up
   */
  restored(parked: ReadonlySet<string>): readonly string[] {
    const gone = [...this.kept.keys()].filter((key) => parked.has(key));
    for (const key of gone) this.kept.delete(key);
    return gone;
  }

  private count(path: string): void {
    this.paths.set(path, (this.paths.get(path) ?? 0) + 1);
  }

  private isMissing(key: string, table: TableName, data: Readonly<Record<string, unknown>>): boolean {
    const [user = ''] = key.split(' ');
    const parent = parentOf(table, data);
    return parent !== undefined && !this.evidence.ownsNow(user, parent.table, parent.id);
  }
}

export function keyOf(user: string, table: string, id: string): string {
  return `${user} ${rowKey(table, id)}`;
}
