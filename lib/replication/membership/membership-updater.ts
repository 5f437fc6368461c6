import { upsert } from '../../common/collections.js';
import type { SyncTable } from '../../registry/sync-table.js';
import type { ChangelogTransaction } from '../../store/changelog/changelog-transaction.js';
import { releaseWaiting } from '../../store/changelog/waiting-rows.js';
import type { BucketRules } from '../rules/bucket-rules.js';
import { END } from '../rules/bucket-timeline.js';
import { currentRows, type RowFilter } from './current-rows.js';
import { backfillEdges, hasTooLong, isUnknown } from './edge-backfill.js';
import { removeRow, applyRow } from './edge-diff.js';
import { Operation } from '../../store/changelog/operation.js';
import { orphanSql, recordsWithEdges, removeOrphans } from './edge-removal.js';
import { EdgeWorkspace } from './edge-workspace.js';
import { MembershipWork, rowState, type ChangedRecords, type PendingWork } from './membership-work.js';
import { writeMembership } from './membership-write.js';
import { withoutPoison, type RowReports, type SetAside } from './poison-rows.js';
import type { ReresolveOptions } from './reresolve-options.js';
import { newParents, prefetched, readAgain, withEdges, type RowsWithEdges } from './rows-with-edges.js';
import { savePoison } from '../rules/rule-failures.js';
import type { TrackedTables } from '../tables/tracked-tables.js';

/** Settles the membership of rows as they are now, and of their children. */
export class MembershipUpdater {
  private known: PendingWork = { waiting: true, failures: true, unidentifiedChanges: false };

  constructor(
    protected readonly tracked: TrackedTables,
    protected readonly rules: BucketRules,
    private readonly reports: RowReports,
  ) {}

  /** The work that may be left to do. */
  get pending(): PendingWork {
    return this.known;
  }

  /** Takes over what was found out about it. */
  updatePending(found: Partial<PendingWork> = {}): void {
    this.known = { ...this.known, ...found };
  }

  /** Resolves current rows again and writes what changed in their membership; children follow. */
  async reresolve(
    tx: ChangelogTransaction,
    table: SyncTable,
    filter: RowFilter,
    options: ReresolveOptions,
  ): Promise<void> {
    const isFirst = filter === 'all' && options.silent === true && this.rules.isDefault(table);
    if (isFirst && (await isUnknown(tx, table)) && !(await hasTooLong(tx, this.tracked, table))) {
      const backfill = async (): Promise<void> => {
        if (await backfillEdges(tx, this.tracked, table)) this.updatePending({ waiting: true });
      };
      if (await tx.succeeds(backfill)) return;
    }
    const missing = new Set(filter === 'all' || options.removed !== true ? [] : filter.values);
    const rows = currentRows(tx, this.tracked, table, filter);
    // Tables have no cycles: neither a chunk nor its children change the rows of the next chunk.
    const chunks = withEdges(tx, table, rows);
    let moved = false;
    for await (const chunk of tx.careful || !this.tracked.allowsPrefetch ? chunks : prefetched(chunks)) {
      if (await this.reresolveNewParents(tx, table, chunk, options)) moved = true;
      await this.reresolveRows(tx, table, moved ? await readAgain(tx, chunk) : chunk, options);
      for (const { recordId } of chunk.rows) missing.delete(recordId);
    }
    await this.removeRows(tx, table, missing, options);
  }

  /**
   * Removes the edges of rows that no longer exist, with entries for the buckets in which they were live. `silent`
   * writes no entries: every device takes a snapshot anyway, or there is no device.
   * @returns whether there were any: children may still inherit from them
   */
  async removeOrphans(
    tx: ChangelogTransaction,
    table: SyncTable,
    { silent = false }: { readonly silent?: boolean } = {},
  ): Promise<boolean> {
    let removed = true;
    const remove = async (): Promise<void> => void (removed = await removeOrphans(tx, table, { silent }));
    if (!(await tx.succeeds(remove))) await this.removeEach(tx, table, orphanSql(table), silent);
    return removed;
  }

  /** Removes all edges of a table that was truncated, and forgets which of its rows were waiting. */
  protected async removeAllEdges(tx: ChangelogTransaction, table: SyncTable): Promise<void> {
    if (!(await tx.succeeds(() => tx.removeEdges(table.name, 'true', Operation.delete))))
      await this.removeEach(tx, table, 'true', false);
    await tx.query('DELETE FROM :sync.sync_waiting_rows WHERE table_name = $1', [table.name]);
  }

  private async removeEach(
    tx: ChangelogTransaction,
    table: SyncTable,
    condition: string,
    silent: boolean,
  ): Promise<void> {
    for await (const ids of recordsWithEdges(tx, table, condition))
      await this.removeRows(tx, table, ids, { time: tx.begunAt, silent });
  }

  private async removeRows(
    tx: ChangelogTransaction,
    table: SyncTable,
    ids: ReadonlySet<string>,
    options: ReresolveOptions,
  ): Promise<void> {
    if (ids.size === 0) return;
    const done = await this.withoutPoison(tx, async (aside) => {
      const work = this.newWork(tx);
      await work.edges.load(new Map([[table.name, ids]]));
      const records = [...ids].filter((id) => !aside.has(table.name, id)).map((recordId) => ({ recordId }));
      for (const [order, { recordId }] of records.entries()) {
        work.add(order, table, recordId, removeRow(work.edges.record(table.name, recordId)));
        work.gone(table, recordId);
      }
      work.recordChanges(table, records);
      await this.write(tx, work, options);
      return work;
    });
    await this.followAll(tx, done, options);
  }

  protected withoutPoison<Result>(
    tx: ChangelogTransaction,
    run: (aside: SetAside) => Promise<Result>,
  ): Promise<Result> {
    return withoutPoison(tx, run, async ({ rows }) => {
      await savePoison(tx, rows);
      this.updatePending({ failures: true });
      this.reports.poison(rows);
    });
  }

  protected newWork(tx: ChangelogTransaction): MembershipWork {
    return new MembershipWork(new EdgeWorkspace(tx), this.pending);
  }

  /**
   * Rows are read as they are now, so the parents that they have got must be, too: as far as the log has come, users may
   * read those who don't any more (W-HOST-92).
   * @returns whether there were any: their other children have followed
   */
  private async reresolveNewParents(
    tx: ChangelogTransaction,
    table: SyncTable,
    chunk: RowsWithEdges,
    { time, silent = false, childrenOf }: ReresolveOptions,
  ): Promise<boolean> {
    // Children of certain parents are where the log has them; without devices there is nobody to tell.
    if (table.parent === null || childrenOf !== undefined || silent) return false;
    const parent = this.tracked.registry.get(table.parent);
    const values = [...newParents(table, chunk)];
    if (values.length === 0) return false;
    await this.reresolve(tx, parent, { column: parent.idColumn, values }, { time });
    return true;
  }

  private async reresolveRows(
    tx: ChangelogTransaction,
    table: SyncTable,
    { rows: current, records, edges }: RowsWithEdges,
    options: ReresolveOptions,
  ): Promise<void> {
    const cause = options.refresh === true ? 'update' : options.compare === true ? 'compared' : 'reresolved';
    const done = await this.withoutPoison(tx, async (aside) => {
      const work = this.newWork(tx);
      work.edges.add(records, edges);
      const rows = work
        .childrenOf(options.childrenOf, table, current)
        .filter(({ recordId }) => !aside.has(table.name, recordId));
      const events = rows.map((row, order) => ({ order, table, recordId: row.recordId, row }));
      const { buckets, failures } = await this.rules.resolve(tx, table, rows);
      work.fail(table, failures, Operation.update);
      for (const { order, recordId, row } of events) {
        const state = rowState(table, row, {
          buckets: work.withInherited(table, row, buckets[order] ?? null, END),
          commitTime: options.time,
          writtenAt: tx.begunAt,
          cause,
        });
        work.add(order, table, recordId, applyRow(work.edges.record(table.name, recordId), state));
      }
      work.recordChanges(table, events);
      await this.write(tx, work, options);
      return work;
    });
    await this.followAll(tx, done, options);
  }

  /** Writes the difference, then follows it to the children of every record whose buckets changed. */
  protected async finish(
    tx: ChangelogTransaction,
    work: MembershipWork,
    options: ReresolveOptions,
  ): Promise<void> {
    await this.write(tx, work, options);
    await this.followAll(tx, work, options);
  }

  private async write(
    tx: ChangelogTransaction,
    work: MembershipWork,
    { silent = false }: ReresolveOptions,
  ): Promise<void> {
    if (work.waiting.size > 0) this.updatePending({ waiting: true });
    await writeMembership(tx, work, { pending: this.pending, silent });
    if (work.failures.length === 0) return;
    this.updatePending({ failures: true });
    this.reports.failed(
      work.failures.map(({ table, failure: { row, error } }) => ({ table, recordId: row.recordId, error })),
    );
  }

  private async followAll(
    tx: ChangelogTransaction,
    work: MembershipWork,
    options: ReresolveOptions,
  ): Promise<void> {
    for (const table of this.tracked.registry.parentsFirst()) {
      await this.follow(tx, table, work.changesOf(table), options);
    }
  }

  /**
   * Children of rows that changed their buckets are found by foreign key; a row that is new can have none but
   * those that wait for it (interleavings 7).
   */
  private async follow(
    tx: ChangelogTransaction,
    table: SyncTable,
    { appeared, changed }: ChangedRecords,
    options: ReresolveOptions,
  ): Promise<void> {
    const children = this.tracked.registry.children(table.name);
    if (children.length === 0) return;
    const followers = { time: options.time, silent: options.silent === true };
    for (const child of children) {
      const filter = { column: child.parentFkColumn ?? '', values: [...changed] };
      await this.reresolve(tx, child, filter, { ...followers, childrenOf: 'theirs' });
    }
    if (!this.pending.waiting || appeared.size === 0) return;
    const released = new Map<string, string[]>();
    for (const row of await releaseWaiting(tx, table.name, [...appeared]))
      upsert(released, row.table, () => []).push(row.recordId);
    for (const child of children) {
      const filter = { column: child.idColumn, values: released.get(child.name) ?? [] };
      await this.reresolve(tx, child, filter, { ...followers, childrenOf: appeared });
    }
  }
}
