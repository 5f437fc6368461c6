/** A piece of the rows gets its share of the time, but no less than this part of it. */
const LEAST_SHARE = 1 / 100;
/** After this many times the limit, what is left of the rows is not asked about any more. */
const LIMITS_IN_ALL = 4;
/** Tries of a row for which the rule can't answer now, while it answers for other rows. */
const MOST_TRIES = 3;

/**
 * How long the rule of a table may take over some rows. Halving finds the rows that fail, and each half is a call of
 * its own. The calls share the time, so that one row without end costs about twice the limit.
 */
export class RuleTimeBudget {
  private readonly end: number;
  /** An error like one of the server's belongs to a row, as the rule is known to work (see `resolver-health.ts`). */
  isOfRows = false;
  private readonly tries = new Map<string, number>();

  /**
   * @param limit milliseconds for all rows together; 0: any
   * @param rows how many they are
   */
  constructor(
    readonly limit: number,
    private readonly rows: number,
    private readonly now: () => number = () => performance.now(),
  ) {
    this.end = now() + LIMITS_IN_ALL * limit;
  }

  /** To be asked after each try of a row by itself. */
  retries(recordId: string): boolean {
    const tries = (this.tries.get(recordId) ?? 0) + 1;
    this.tries.set(recordId, tries);
    return tries < MOST_TRIES;
  }

  /** Milliseconds for some of the rows; 0: any; null: there is no time left. */
  share(rows: number): number | null {
    if (this.limit === 0) return 0;
    if (this.now() > this.end) return null;
    return Math.max(1, Math.ceil(this.limit * Math.max(rows / this.rows, LEAST_SHARE)));
  }
}
