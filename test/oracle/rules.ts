import type { Facts, History, Version } from './history.js';
import { overlap, type Interval } from './intervals.js';
import type { Sight } from './sight.js';
import { tableOf, type GrantName, type TableName, type WorldTable } from './world/tables.js';

const ALWAYS: Interval = { from: -Infinity, to: Infinity };

/**
 * Who may read and write what, from what the tables say and nothing else.
 *
 * The commits of two transactions that don't touch the same row become visible in no certain order: what ended may
 * overlap by `slack` microseconds what began after it.
 */
export class Rules {
  constructor(
    private readonly history: History,
    private readonly slack: number,
  ) {}

  /** When a user could read this version of a row. A soft-deleted one still hands its readers on to its children. */
  readable(user: string, table: TableName, version: Version, sight?: Sight): readonly Interval[] {
    return overlap(this.widened(version), this.readers(user, tableOf(table), version.row, sight));
  }

  /** When a user could read a row, whatever it was. */
  everReadable(user: string, table: TableName, id: string, sight?: Sight): readonly Interval[] {
    return this.history.of(table, id).flatMap((version) => this.readable(user, table, version, sight));
  }

  /** When a user could write this version of a row. */
  writable(user: string, table: TableName, version: Version): readonly Interval[] {
    const { owner, parent, members } = tableOf(table);
    const isOwner = owner !== undefined && version.row[owner] === user;
    if (isOwner) return this.widened(version);
    if (members) {
      const editing = this.history
        .granted('sheet_members', version.row['id'], user)
        .filter(({ row }) => row['can_edit'] === true);
      return overlap(
        this.widened(version),
        editing.flatMap((one) => this.widened(one)),
      );
    }
    if (owner) return [];
    if (!parent) return [];
    const above = this.history
      .of(parent.table as TableName, String(version.row[parent.fk]))
      .flatMap((up) => this.writable(user, parent.table as TableName, up));
    return overlap(this.widened(version), above);
  }

  private readers(user: string, table: WorldTable, row: Facts, sight?: Sight): readonly Interval[] {
    const found: Interval[] = [];
    const granted = (grant: GrantName, what: unknown): readonly Interval[] => {
      const intervals = this.history.granted(grant, what, user).flatMap((one) => this.widened(one));
      return sight ? sight(intervals) : intervals;
    };
    if (table.team) found.push(...granted('team_members', row['team']));
    else if (table.owner && row['user_id'] === user) found.push(ALWAYS);
    if (table.everyone && (!table.owner || row['user_id'] === null)) found.push(ALWAYS);
    if (table.shared) found.push(...granted('note_shares', row['id']));
    if (table.members) found.push(...granted('sheet_members', row['id']));
    if (table.parent) {
      const { table: above, fk } = table.parent;
      if (table.watched) found.push(...granted('watches', row[fk]));
      found.push(...this.everReadable(user, above as TableName, String(row[fk]), sight));
    }
    return found;
  }

  /** Nothing for what came and went within one transaction. */
  private widened({ from, to }: Interval): readonly Interval[] {
    return from === to ? [] : [{ from, to: to + this.slack }];
  }
}

/** Whether an interval has a moment between two, both included. */
export function during(intervals: readonly Interval[], since: number, until: number): boolean {
  return intervals.some(({ from, to }) => from <= until && to >= since);
}
