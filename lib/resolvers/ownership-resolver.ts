/** A row whose buckets are asked for. */
export interface ResolveRow {
  readonly recordId: string;
  /** Database column → PostgreSQL's text form of the value. */
  readonly data: Readonly<Record<string, string | null>>;
}

/**
 * Says which buckets a row belongs to. A child row is in its parent's buckets as well, whatever this says.
 * Override it with `forRoot({ providers: [{ provide: OwnershipResolver, useClass: … }] })`; an implementation
 * may inject the default `JoinResolver`.
 *
 * An answer that depends on other tables needs `bucketSources`, so that it is asked again when they change.
 */
export abstract class OwnershipResolver {
  /**
   * @param table wire name of the table
   * @param rows never empty; the same record may occur more than once, with the data of successive changes
   * @returns the bucket ids of each row, in the order of `rows`; duplicates are ignored
   * @throws anything: the rows keep the buckets they had, and are tried again later
   */
  abstract resolveOwners(table: string, rows: readonly ResolveRow[]): Promise<readonly (readonly string[])[]>;
}
