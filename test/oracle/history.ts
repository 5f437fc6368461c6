import { fromJson } from '../support/wire.js';
import { canonicalId } from './ids.js';
import type { Interval } from './intervals.js';
import { GRANTS, TABLE_NAMES, type GrantName, type TableName } from './world/tables.js';

/** A row as PostgreSQL's `to_jsonb` tells it. */
export type Facts = Readonly<Record<string, unknown>>;

/** What a row was, and for how long. */
export interface Version extends Interval {
  readonly row: Facts;
}

/** A change as the table `history` has it. */
export interface HistoryRow {
  readonly table_name: string;
  /** When it was committed, in microseconds since 1970, as text. */
  readonly at: string;
  /** JSON. */
  readonly before: string | null;
  /** JSON. */
  readonly after: string | null;
}

interface Mutable {
  readonly from: number;
  to: number;
  readonly row: Facts;
}

/** The order of commits, which is no order of ids. */
export const HISTORY_SQL = `
  SELECT id, table_name, before::text, after::text,
         (extract(epoch FROM pg_xact_commit_timestamp(xid::text::xid)) * 1000000)::bigint::text AS at
    FROM history WHERE id > $1 ORDER BY pg_xact_commit_timestamp(xid::text::xid), id`;

/** What each row was at each moment, and who had been granted what. Knows nothing of sync. */
export class History {
  private readonly versions = new Map<string, Map<string, Mutable[]>>();

  constructor() {
    for (const name of [...TABLE_NAMES, ...Object.keys(GRANTS)]) this.versions.set(name, new Map());
  }

  /** @param changes in the order of their commits, none of which is older than what is there */
  add(changes: readonly HistoryRow[]): void {
    for (const { table_name: table, at, before, after } of changes) {
      const rows = this.rows(table);
      const time = Number(at);
      if (before === null && after === null) for (const versions of rows.values()) end(versions, time);
      if (before !== null) end(rows.get(keyOf(table, factsOf(before))), time);
      if (after === null) continue;
      const row = factsOf(after);
      const key = keyOf(table, row);
      const versions = rows.get(key) ?? [];
      rows.set(key, versions);
      versions.push({ from: time, to: Infinity, row });
    }
  }

  /** Forgets what was over before. */
  forget(before: number): void {
    for (const rows of this.versions.values())
      for (const [key, versions] of rows) {
        const left = versions.filter(({ to }) => to >= before);
        if (left.length === 0) rows.delete(key);
        else rows.set(key, left);
      }
  }

  of(table: TableName, id: string): readonly Version[] {
    return this.rows(table).get(canonicalId(id)) ?? [];
  }

  /** Of the rows that a table has or had. */
  ids(table: TableName): readonly string[] {
    return [...this.rows(table).keys()];
  }

  /** The rows of a table as they are now, soft-deleted ones included. */
  *current(table: TableName): Iterable<Facts> {
    for (const versions of this.rows(table).values()) {
      const last = versions.at(-1);
      if (last?.to === Infinity) yield last.row;
    }
  }

  /** When a grant was in force. */
  granted(grant: GrantName, what: unknown, user: string): readonly Version[] {
    return this.rows(grant).get(`${String(what)} ${user}`) ?? [];
  }

  /** Whether a user has lost a grant between two moments. */
  hasLostGrant(user: string, since: number, until: number): boolean {
    return (Object.keys(GRANTS) as GrantName[]).some((grant) =>
      [...this.rows(grant)].some(
        ([key, versions]) =>
          key.endsWith(` ${user}`) && versions.some(({ to }) => to >= since && to <= until),
      ),
    );
  }

  /** Every grant of something, with its user. */
  grants(grant: GrantName, what: unknown): readonly Version[] {
    return [...this.rows(grant)].flatMap(([key, versions]) =>
      key.startsWith(`${String(what)} `) ? versions : [],
    );
  }

  private rows(table: string): Map<string, Mutable[]> {
    const rows = this.versions.get(table);
    if (!rows) throw new Error(`The history knows no table ${table}.`);
    return rows;
  }
}

/** With numbers of more digits than JavaScript's. */
function factsOf(json: string): Facts {
  return fromJson(json) as Facts;
}

function keyOf(table: string, row: Facts): string {
  const grant = (GRANTS as Readonly<Record<string, readonly string[]>>)[table];
  return (grant ?? ['id']).map((column) => String(row[column])).join(' ');
}

function end(versions: readonly Mutable[] | undefined, time: number): void {
  const last = versions?.at(-1);
  if (last?.to === Infinity) last.to = time;
}
