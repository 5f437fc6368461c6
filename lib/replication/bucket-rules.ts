import { isTransient } from '../common/database-error.js';
import type { SyncTable } from '../registry/sync-table.js';
import { isDefaultRule } from '../resolvers/join-resolver.js';
import type { OwnershipResolver, ResolveRow } from '../resolvers/ownership-resolver.js';

/** A row whose rule failed: it keeps its buckets and is tried again later. */
export interface RuleFailure {
  readonly row: ResolveRow;
  readonly error: Error;
}

/** The host's bucket rules, with each failure confined to its row. */
export class BucketRules {
  constructor(private readonly resolver: OwnershipResolver) {}

  /** Whether the default rule decides alone, so that only its columns are needed. */
  get isDefault(): boolean {
    return isDefaultRule(this.resolver);
  }

  /** Names the rule of a table: what changes it must change this text (interleavings 5). */
  describe(table: SyncTable): string {
    const { schema, bucketByColumn, bucketPrefix, ownerColumn, parent, parentFkColumn } = table;
    const { globalWhenBucketNull, bucketSources, deletedAtColumn, idColumn } = table;
    return JSON.stringify([
      this.resolver.constructor.name,
      { schema, bucketByColumn, bucketPrefix, ownerColumn, parent, parentFkColumn },
      { globalWhenBucketNull, bucketSources, deletedAtColumn, idColumn },
    ]);
  }

  /**
   * @returns the buckets of each row in order (null where the rule failed), and the failures
   * @throws only what will pass by itself, such as a lost connection: the batch is then applied again
   */
  async resolve(
    table: SyncTable,
    rows: readonly ResolveRow[],
  ): Promise<{ buckets: readonly (readonly string[] | null)[]; failures: readonly RuleFailure[] }> {
    if (rows.length === 0) return { buckets: [], failures: [] };
    try {
      return { buckets: await this.ask(table, rows), failures: [] };
    } catch (error) {
      if (isTransient(error)) throw error;
      return this.resolveSingly(table, rows);
    }
  }

  private async resolveSingly(
    table: SyncTable,
    rows: readonly ResolveRow[],
  ): ReturnType<BucketRules['resolve']> {
    const buckets: (readonly string[] | null)[] = [];
    const failures: RuleFailure[] = [];
    for (const row of rows) {
      try {
        const [own] = await this.ask(table, [row]);
        buckets.push(own ?? []);
      } catch (error) {
        if (isTransient(error)) throw error;
        buckets.push(null);
        failures.push({ row, error: error instanceof Error ? error : new Error(String(error)) });
      }
    }
    return { buckets, failures };
  }

  private async ask(table: SyncTable, rows: readonly ResolveRow[]): Promise<readonly (readonly string[])[]> {
    const buckets = await this.resolver.resolveOwners(table.name, rows);
    if (buckets.length !== rows.length) {
      throw new Error(
        `${this.resolver.constructor.name}.resolveOwners answered ${buckets.length} bucket lists for ${rows.length} rows of ${table.name}`,
      );
    }
    if (!buckets.every((own) => own.every((bucket) => typeof bucket === 'string' && bucket !== ''))) {
      throw new Error(
        `${this.resolver.constructor.name}.resolveOwners answered an empty bucket id for ${table.name}`,
      );
    }
    return buckets;
  }
}
