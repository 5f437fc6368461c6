import { createHash } from 'node:crypto';
import type { SyncRegistry } from '../../registry/sync-registry.js';
import type { SyncTable } from '../../registry/sync-table.js';
import type { ChangelogTransaction } from '../../store/changelog/changelog-transaction.js';
import { rememberLabels } from '../../store/enum-labels.js';
import type { BucketRules } from '../rules/bucket-rules.js';
import type { MembershipApplier } from '../membership/membership-applier.js';
import type { ReresolveOptions } from '../membership/reresolve-options.js';
import {
  attachedSince,
  labelsOf,
  reresolveModeFor,
  type ReresolveMode,
  type TableShape,
  type TableShapes,
} from './table-shapes.js';

interface StoredRules {
  readonly hash: string;
  /** null: the rules are applied, but what the stream left out may still be to come. */
  readonly shape: TableShape | null;
}

/**
 * The rules with which each table's edges were last resolved, and the {@link TableShape} up to which no change is
 * missing. A new leader compares both: it resolves a table that is new, or whose rule has changed, before the stream
 * goes on (interleavings 5).
 *
 * Changes that the stream left out wait until the stream has passed the gap ({@link catchUp}): earlier changes may
 * still be in the stream, and would undo the result.
 */
export class TableRules {
  constructor(
    private readonly registry: SyncRegistry,
    private readonly rules: BucketRules,
  ) {}

  /** Brings the edges of every table whose rule differs up to date, with entries for what that changes. */
  async refresh(tx: ChangelogTransaction, applier: MembershipApplier): Promise<readonly string[]> {
    const stored = await this.stored(tx);
    const current = await this.hashes(tx);
    const modes = new Map<string, ReresolveMode>();
    for (const { name } of this.registry.all()) {
      const known = stored.get(name);
      // Without a hash no consumer followed the table for a while: rows may have changed without an event.
      if (!known) modes.set(name, 'refresh');
      else if (known.hash !== current.get(name)) modes.set(name, 'resolve');
    }
    const tables = await this.reresolveTables(tx, applier, modes);
    await this.forgetUnknown(tx);
    await this.store(tx, current, null);
    return tables;
  }

  /**
   * Finds the changes of each table that the stream left out, as far as the difference of its shapes shows them.
   * @param shapes everything that was committed before them has been applied
   */
  async catchUp(
    tx: ChangelogTransaction,
    applier: MembershipApplier,
    shapes: TableShapes,
  ): Promise<readonly string[]> {
    const stored = await this.stored(tx);
    const hashes = new Map(await this.hashes(tx));
    const modes = new Map<string, ReresolveMode>();
    const attached = new Map<string, readonly string[]>();
    for (const [name, shape] of shapes.byTable) {
      const known = stored.get(name);
      if (known) hashes.set(name, known.hash);
      if (known?.shape) attached.set(name, attachedSince(known.shape, shape));
      modes.set(name, known ? reresolveModeFor(known.shape, shape) : 'refresh');
    }
    const tables = await this.reresolveTables(tx, applier, modes, attached);
    await this.store(tx, hashes, shapes);
    return tables;
  }

  /** Compares every edge with the tables, without entries. */
  async reresolveAll(
    tx: ChangelogTransaction,
    applier: MembershipApplier,
    shapes: TableShapes,
  ): Promise<void> {
    const current = await this.hashes(tx);
    for (const table of this.registry.parentsFirst()) {
      await this.reresolve(tx, applier, table, { silent: true });
    }
    await this.forgetUnknown(tx);
    await this.store(tx, current, shapes);
  }

  /**
   * @param attached the partitions of each table whose rows get entries in any case
   * @returns the tables that were resolved: those with a mode, and children that may inherit from deleted rows
   */
  private async reresolveTables(
    tx: ChangelogTransaction,
    applier: MembershipApplier,
    modes: Map<string, ReresolveMode>,
    attached: ReadonlyMap<string, readonly string[]> = new Map(),
  ): Promise<readonly string[]> {
    if ([...modes.values()].every((mode) => mode === 'none')) return [];
    const clients = await tx.query('SELECT FROM :sync.sync_clients LIMIT 1');
    const silent = clients.rows.length === 0;
    const tables: string[] = [];
    for (const table of this.registry.parentsFirst()) {
      const mode = modes.get(table.name) ?? 'none';
      if (mode === 'none') continue;
      tables.push(table.name);
      if (mode !== 'refresh') {
        const rows = { column: 'tableoid', values: attached.get(table.name) ?? [] };
        await applier.reresolve(tx, table, rows, { silent, refresh: true, time: tx.begunAt });
      }
      const orphans = await this.reresolve(tx, applier, table, {
        silent,
        refresh: mode === 'refresh',
        compare: mode === 'compare',
      });
      if (!orphans) continue;
      for (const { name } of this.registry.children(table.name)) {
        if ((modes.get(name) ?? 'none') === 'none') modes.set(name, 'resolve');
      }
    }
    return tables;
  }

  private async reresolve(
    tx: ChangelogTransaction,
    applier: MembershipApplier,
    table: SyncTable,
    options: Omit<ReresolveOptions, 'time'>,
  ): Promise<boolean> {
    const orphans = await applier.removeOrphans(tx, table, options);
    await applier.reresolve(tx, table, 'all', { ...options, time: tx.begunAt });
    return orphans;
  }

  private async stored(tx: ChangelogTransaction): Promise<ReadonlyMap<string, StoredRules>> {
    const { rows } = await tx.query<{ name: string; hash: string; shape: TableShape | null }>(
      'SELECT table_name AS name, rules_hash AS hash, table_shape AS shape FROM :sync.sync_table_rules',
    );
    return new Map(rows.map(({ name, hash, shape }) => [name, { hash, shape }]));
  }

  /**
   * Removes the hashes of tables that this version doesn't know and so doesn't follow: a later version resolves them
   * again.
   */
  private async forgetUnknown(tx: ChangelogTransaction): Promise<void> {
    await tx.query('DELETE FROM :sync.sync_table_rules WHERE NOT table_name = ANY($1::text[])', [
      this.registry.all().map(({ name }) => name),
    ]);
  }

  /** @param shapes null: those that are stored stay */
  private async store(
    tx: ChangelogTransaction,
    hashes: ReadonlyMap<string, string>,
    shapes: TableShapes | null,
  ): Promise<void> {
    if (shapes) await rememberLabels(tx, labelsOf(shapes));
    const names = [...hashes.keys()];
    await tx.query(
      `INSERT INTO :sync.sync_table_rules AS r (table_name, rules_hash, table_shape)
       SELECT * FROM unnest($1::text[], $2::text[], $3::jsonb[])
       ON CONFLICT (table_name) DO UPDATE SET rules_hash = excluded.rules_hash, updated_at = now(),
           table_shape = coalesce(excluded.table_shape, r.table_shape)
         WHERE r.rules_hash <> excluded.rules_hash
            OR r.table_shape IS DISTINCT FROM coalesce(excluded.table_shape, r.table_shape)`,
      [
        names,
        [...hashes.values()],
        names.map((name) => {
          const shape = shapes?.byTable.get(name);
          return shape ? JSON.stringify(shape) : null;
        }),
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
