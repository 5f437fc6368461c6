import { createHash } from 'node:crypto';
import type { SyncRegistry } from '../registry/sync-registry.js';
import type { SyncTable } from '../registry/sync-table.js';
import type { ChangelogTransaction } from '../store/changelog-transaction.js';
import type { BucketRules } from './bucket-rules.js';
import { removeOrphans } from './edge-removal.js';
import type { MembershipApplier } from './membership-applier.js';
import type { PublicationState } from './publication-state.js';

/**
 * By which rules each table's edges were resolved, and by which publication it was followed. Whoever takes the lead
 * compares: a table that is new, or of which either is another one now, is resolved again before the stream goes on
 * (interleavings 5).
 */
export class TableRules {
  constructor(
    private readonly registry: SyncRegistry,
    private readonly rules: BucketRules,
    private readonly publication: PublicationState,
  ) {}

  /** Brings the edges of every table whose rule differs up to date, with entries for what that changes. */
  async refresh(tx: ChangelogTransaction, applier: MembershipApplier): Promise<readonly string[]> {
    const { rows } = await tx.query<{ table_name: string; rules_hash: string; publication: string }>(
      'SELECT table_name, rules_hash, publication FROM sync_table_rules',
    );
    const hashes = new Map(rows.map((row) => [row.table_name, row.rules_hash]));
    const followed = new Set(
      rows
        .filter((row) => row.publication === this.publication.get(row.table_name))
        .map((row) => row.table_name),
    );
    const tables = this.registry.parentsFirst();
    const current = await this.hashes(tx);
    const stale = new Set(
      tables.filter(({ name }) => !followed.has(name) || hashes.get(name) !== current.get(name)),
    );
    if (stale.size > 0) {
      const clients = await tx.query('SELECT FROM sync_clients LIMIT 1');
      const silent = clients.rows.length === 0;
      for (const table of tables) {
        if (!stale.has(table)) continue;
        // If nobody followed the table for a while, rows may have changed unseen.
        const options = { silent, refresh: !followed.has(table.name) };
        const orphans = await this.resettle(tx, applier, table, options);
        if (orphans) for (const child of this.registry.children(table.name)) stale.add(child);
      }
    }
    await this.store(tx, current);
    return tables.filter((table) => stale.has(table)).map((table) => table.name);
  }

  /** Compares every edge with the tables, without entries. */
  async resettleAll(tx: ChangelogTransaction, applier: MembershipApplier): Promise<void> {
    const current = await this.hashes(tx);
    for (const table of this.registry.parentsFirst()) {
      await this.resettle(tx, applier, table, { silent: true, refresh: false });
    }
    await this.store(tx, current);
  }

  private async resettle(
    tx: ChangelogTransaction,
    applier: MembershipApplier,
    table: SyncTable,
    options: { silent: boolean; refresh: boolean },
  ): Promise<boolean> {
    const orphans = await removeOrphans(tx, table, options);
    await applier.resettle(tx, table, 'all', { ...options, time: tx.begunAt });
    return orphans;
  }

  /** A table that this version doesn't know is not followed by it: its hash goes, so that a later one looks again. */
  private async store(tx: ChangelogTransaction, hashes: ReadonlyMap<string, string>): Promise<void> {
    await tx.query('DELETE FROM sync_table_rules WHERE NOT table_name = ANY($1::text[])', [
      [...hashes.keys()],
    ]);
    await tx.query(
      `INSERT INTO sync_table_rules AS t (table_name, rules_hash, publication)
       SELECT * FROM unnest($1::text[], $2::text[], $3::text[])
       ON CONFLICT (table_name) DO UPDATE
         SET rules_hash = excluded.rules_hash, publication = excluded.publication, updated_at = now()
         WHERE (t.rules_hash, t.publication) <> (excluded.rules_hash, excluded.publication)`,
      [
        [...hashes.keys()],
        [...hashes.values()],
        [...hashes.keys()].map((table) => this.publication.get(table) ?? ''),
      ],
    );
  }

  /** Read before anything is resolved: a rule that changes meanwhile is found out at the next start. */
  private async hashes(tx: ChangelogTransaction): Promise<ReadonlyMap<string, string>> {
    const hashes = new Map<string, string>();
    for (const table of this.registry.all()) {
      const rule = await this.rules.describe(tx, table);
      hashes.set(table.name, createHash('sha256').update(rule).digest('hex'));
    }
    return hashes;
  }
}
