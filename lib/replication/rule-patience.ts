/** A piece of the rows gets its share of the time, but no less than this part of it. */
const LEAST_SHARE = 1 / 100;
/** After this many times the limit, what is left of the rows is not asked about any more. */
const LIMITS_IN_ALL = 4;

/**
 * How long the rule of a table may take over some rows. Rows that fail are looked for by halves, and each half is a call
 * of its own: the time is shared out among them, so that one row that takes for ever costs about twice the limit.
 */
export class RulePatience {
  private readonly end: number;

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

  /** Milliseconds for some of the rows; 0: any; null: there is no time left. */
  share(rows: number): number | null {
    if (this.limit === 0) return 0;
    if (this.now() > this.end) return null;
    return Math.max(1, Math.ceil(this.limit * Math.max(rows / this.rows, LEAST_SHARE)));
  }
}
