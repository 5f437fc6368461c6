/**
 * How much of one push may fail before the rest is to be sent again. A group that fails is split until the bad records
 * stand alone, and each is tried twice more before it is refused. Only so many statements may fail, and for so long; the
 * device comes back with the rest, and gets through, as every push ends some of them.
 */
export class FailureBudget {
  private failed = 0;
  private streak = 0;
  private began: number | undefined;

  /** A statement for some records failed. */
  spend(): void {
    this.failed += 1;
  }

  /** A record failed alone. From the first one on time counts, too: each push makes some progress, however slow it is. */
  find(): void {
    this.streak += 1;
    this.began ??= performance.now();
  }

  /** Some records were written. */
  succeed(): void {
    this.streak = 0;
  }

  /** Another stage begins, which has its own time. */
  restart(): void {
    this.began = performance.now();
  }

  /** Whether record after record is bad: then it's cheaper to take them one by one than to halve them. */
  get isMostlyBad(): boolean {
    return this.streak >= BAD_STREAK;
  }

  /** Whether no group is to be split any more. */
  get splitsNoMore(): boolean {
    return this.failed >= MOST_SPLITS || this.isLate;
  }

  /** Whether nothing that failed is to be tried any more. */
  get triesNoMore(): boolean {
    return this.failed >= MOST_FAILURES || this.isLate;
  }

  private get isLate(): boolean {
    return this.began !== undefined && performance.now() - this.began > MOST_MILLISECONDS;
  }
}

const BAD_STREAK = 16;
const MOST_SPLITS = 1_000;
const MOST_FAILURES = 4_000;
const MOST_MILLISECONDS = 5_000;
