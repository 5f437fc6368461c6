/** A row whose buckets are asked for. */
export interface ResolveRow {
  readonly recordId: string;
  /** Database column → PostgreSQL's text form of the value. */
  readonly data: Readonly<Record<string, string | null>>;
}

/** The bucket ids of one row; duplicates are ignored. */
export type Buckets = readonly string[];

/**
 * Names the buckets of a row. A child row is in its parent's buckets as well, in any case. Override it with
 * `forRoot({ providers: [{ provide: OwnershipResolver, useClass: … }] })`; an implementation may inject the default
 * `JoinResolver`.
 *
 * A subclass overrides one of the two methods: {@link resolveOwner} for a rule that reads the row alone, {@link
 * resolveOwners} for one that queries a database, once for all rows. Overriding neither is refused at start. An error
 * of either concerns the rows of the call: they keep the buckets they had, and are tried again later. After an error
 * that says that something is down (ECONNREFUSED, SQLSTATE 40001, …), sync waits, for a minute at most, where no
 * other row is answered either.
 *
 * An answer that depends on other tables needs `bucketSources`, so that it is asked again when they change.
 */
export abstract class OwnershipResolver {
  /**
   * Change it when the rule changes: all rows are then resolved again at the next start. Without it only another class
   * name is noticed.
   */
  readonly version?: string | number;

  /**
   * The buckets of one row.
   * @param table wire name of the table
   */
  resolveOwner(table: string, row: ResolveRow): Buckets | Promise<Buckets> {
    return first(this.resolveOwners(table, [row]));
  }

  /**
   * The buckets of several rows of one table.
   * @param table wire name of the table
   * @param rows never empty; the same record may occur more than once, with the data of successive changes
   * @returns the bucket ids of each row, in the order of `rows`. Default: {@link resolveOwner}, row by row
   */
  resolveOwners(
    table: string,
    rows: readonly ResolveRow[],
  ): readonly Buckets[] | Promise<readonly Buckets[]> {
    return oneByOne(rows, (row) => this.resolveOwner(table, row));
  }
}

async function first(buckets: readonly Buckets[] | Promise<readonly Buckets[]>): Promise<Buckets> {
  return (await buckets)[0] ?? [];
}

/** Few at a time: a rule that queries a database for each row would take every connection of its pool. */
async function oneByOne(
  rows: readonly ResolveRow[],
  resolve: (row: ResolveRow) => Buckets | Promise<Buckets>,
): Promise<readonly Buckets[]> {
  const buckets: Buckets[] = [];
  for (const row of rows) buckets.push(await resolve(row));
  return buckets;
}
