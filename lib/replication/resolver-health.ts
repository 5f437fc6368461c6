import { isTransient } from '../database/database-error.js';
import type { ResolveRow } from '../resolvers/ownership-resolver.js';

/** How long a batch is applied again for a resolver that answers for no row at all. */
const PATIENCE_MS = 60_000;
/** Characters of a row that is kept to ask about again. */
const LONGEST_KEPT = 32 * 1024;

/** Asks the host's resolver about one row. */
type Ask = (table: string, row: ResolveRow) => Promise<unknown>;

/**
 * Distinguishes a row for which the resolver fails as if something were down from a resolver that is down. The first
 * is a rule failure: otherwise all changes would wait for it without end. The second makes the batch wait, as all
 * rows would fail.
 */
export class ResolverHealth {
  /** The row that the resolver answered last: the probe asks about it again. */
  private known: { readonly table: string; readonly row: ResolveRow } | null = null;
  private failingSince: number | null = null;

  constructor(
    private readonly ask: Ask,
    private readonly now: () => number = () => performance.now(),
  ) {}

  /** It has answered for these rows. */
  recordAnswer(table: string, [row]: readonly ResolveRow[]): void {
    this.failingSince = null;
    if (row && textLength(row) <= LONGEST_KEPT) this.known = { table, row };
  }

  /** Whether an error of its is to be waited out. */
  async isDown(): Promise<boolean> {
    if (await this.answers()) {
      this.failingSince = null;
      return false;
    }
    this.failingSince ??= this.now();
    return this.now() - this.failingSince < PATIENCE_MS;
  }

  private async answers(): Promise<boolean> {
    if (this.known === null) return false;
    try {
      await this.ask(this.known.table, this.known.row);
      return true;
    } catch (error) {
      return !isTransient(error);
    }
  }
}

function textLength({ data }: ResolveRow): number {
  return Object.values(data).reduce((length, value) => length + (value?.length ?? 0), 0);
}
