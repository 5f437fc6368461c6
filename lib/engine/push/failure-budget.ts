/**
 * How much of one push may fail before the rest is to be sent again. A run that fails is split until the bad records
 * stand alone: two statements for each, and two more before it is refused. So many fail at most; the device comes back
 * with the rest, and gets through, as every push ends some hundred of them.
 */
export class FailureBudget {
  private failed = 0;
  private found = false;
  private began: number | undefined;

  /** One statement failed. */
  spend(): void {
    this.failed += 1;
    this.began ??= performance.now();
  }

  /** A record has failed alone. From here on time counts, too: each push makes some progress, however slow it is. */
  find(): void {
    this.found = true;
  }

  /** Whether no run is to be split any more. */
  get splitsNoMore(): boolean {
    return this.failed >= MOST_SPLITS || this.isLate;
  }

  /** Whether nothing that failed is to be tried any more. */
  get triesNoMore(): boolean {
    return this.failed >= MOST_FAILURES || this.isLate;
  }

  private get isLate(): boolean {
    return this.found && this.began !== undefined && performance.now() - this.began > MOST_MILLISECONDS;
  }
}

const MOST_SPLITS = 1_000;
const MOST_FAILURES = 3_000;
const MOST_MILLISECONDS = 5_000;
