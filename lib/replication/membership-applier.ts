import { upsert } from '../common/collections.js';
import type { Lsn } from '../common/lsn.js';
import type { SyncTable } from '../registry/sync-table.js';
import type { ChangelogTransaction } from '../store/changelog-transaction.js';
import type { EdgeRow, RecordIds } from '../store/edges.js';
import { forgetRules } from '../store/rule-marks.js';
import { deleteWaiting, releaseWaiting, saveWaiting } from '../store/waiting-rows.js';
import { Ancestry } from './ancestry.js';
import { prepareBatch, type PreparedBatch } from './batch-runs.js';
import type { BucketRules } from './bucket-rules.js';
import { END, followedEvents } from './bucket-timeline.js';
import { completeRows } from './complete-rows.js';
import { currentRows, type RowFilter } from './current-rows.js';
import { Operation, removeRow, settleRow } from './edge-diff.js';
import { backfillEdges, isUnknown } from './edge-backfill.js';
import { removeAllEdges, removeOrphans } from './edge-removal.js';
import { EdgeWorkspace } from './edge-workspace.js';
import { goneNewcomers } from './gone-newcomers.js';
import { MembershipWork, neededEdges, readOpenLists, rowState, type OpenLists } from './membership-work.js';
import type { ResettleOptions } from './resettle-options.js';
import { rowsToResolve, type RowEvent, type RowEvents } from './row-events.js';
import { ahead, withEdges, type RowsWithEdges } from './rows-with-edges.js';
import { settleFailures } from './rule-failures.js';
import { settleEvent } from './settle-event.js';
import type { TrackedTables } from './tracked-tables.js';
import type { Change } from './transaction-batcher.js';

/**
 * Applies changes to edges and changelog: resolves the buckets of each changed row, writes the difference, and
 * follows it to children and dependents. The only code that decides who sees a row.
 */
export class MembershipApplier {
  /** See {@link OpenLists}. */
  readonly open: { -readonly [List in keyof OpenLists]: boolean } = { waiting: true, failures: true };
  /** Rows changed of which the WAL does not say which they are: their tables have to be looked at as a whole. */
  unseen = false;

  constructor(
    private readonly tracked: TrackedTables,
    private readonly rules: BucketRules,
  ) {}

  /** Looks what is {@link open}, when the lead is taken: each batch would look it up for every one of its rows. */
  async survey(tx: ChangelogTransaction): Promise<void> {
    // Whoever had the lead before may have looked at what the stream tells from here on.
    tx.noteLook();
    Object.assign(this.open, await readOpenLists(tx));
  }

  /** Works out what can be without the database, for {@link apply}. */
  prepare(changes: readonly Change[], lookedUntil: Lsn | null): PreparedBatch {
    return prepareBatch(changes, this.tracked, lookedUntil);
  }

  /**
   * Applies a batch in its order.
   * @param edges of its records, read in the same transaction
   */
  async apply(
    tx: ChangelogTransaction,
    { runs, records }: PreparedBatch,
    edges: readonly EdgeRow[],
  ): Promise<void> {
    let work = this.newWork(tx);
    work.edges.add(records, edges);
    for (const run of runs) {
      const { time } = run;
      if (run.rows) {
        if (!tx.hasLooked) work.edges.add(run.fresh, []);
        await this.applyRows(tx, work, run.rows, time);
        work = this.newWork(tx); // the next run finds other edges
        continue;
      }
      for (const relation of run.truncated) {
        const found = this.tracked.find(relation.schema, relation.name);
        if (found?.table) await this.truncate(tx, found.table, { time });
        for (const { table } of found?.dependents ?? []) await this.resettle(tx, table, 'all', { time });
      }
    }
  }

  /** Resolves current rows again and writes what changed in their membership; children follow. */
  async resettle(
    tx: ChangelogTransaction,
    table: SyncTable,
    filter: RowFilter,
    options: ResettleOptions,
  ): Promise<void> {
    const isFirst = filter === 'all' && options.silent === true && this.rules.isDefault(table);
    if (isFirst && (await isUnknown(tx, table))) {
      this.open.waiting = (await backfillEdges(tx, table)) || this.open.waiting;
      return;
    }
    const missing = new Set(filter === 'all' || options.removed !== true ? [] : filter.values);
    const rows = currentRows(tx, table, this.tracked.columnsOf(table), filter);
    // What becomes of a chunk, and of its children, changes nothing that the next one asks for: tables make no cycles.
    for await (const chunk of ahead(withEdges(tx, table, rows))) {
      await this.resettleRows(tx, table, chunk, options);
      for (const { recordId } of chunk.rows) missing.delete(recordId);
    }
    await this.removeRows(tx, table, missing, options);
  }

  private async removeRows(
    tx: ChangelogTransaction,
    table: SyncTable,
    ids: ReadonlySet<string>,
    options: ResettleOptions,
  ): Promise<void> {
    if (ids.size === 0) return;
    const work = this.newWork(tx);
    await work.edges.load(new Map([[table.name, ids]]));
    const records = [...ids].map((recordId) => ({ recordId }));
    for (const [order, { recordId }] of records.entries())
      work.add(order, table, recordId, removeRow(work.edges.record(table.name, recordId)));
    work.noteChanges(table, records);
    await this.finish(tx, work, options);
  }

  private async applyRows(
    tx: ChangelogTransaction,
    work: MembershipWork,
    { byTable, touched, unnamed, unseen, touchedUnnamed }: RowEvents,
    time: bigint,
  ): Promise<void> {
    for (const events of byTable.values()) await completeRows(tx, this.tracked, events);
    const { registry } = this.tracked;
    const options = { time };
    const left = new Map(byTable);
    const needed = (): RecordIds => neededEdges([...left.values()].flat());
    await work.edges.load(needed());
    work.ancestry = await Ancestry.read(work.edges, registry, byTable);
    // Parents first: a child finds the edges that its parent had when the child's transaction ended, and where no other
    // event of the child follows, those that it has got since.
    let current = work;
    for (const table of registry.parentsFirst()) {
      await this.applyEvents(tx, current, table, left.get(table.name) ?? []);
      left.delete(table.name);
      if (current.changesOf(table).changed.size === 0) continue;
      const above = [...left.keys()].flatMap((name) => registry.ancestors(registry.get(name)).slice(1));
      if (!above.includes(table)) continue;
      // Parents of what is left come along with what has moved, though no event may tell of them.
      await this.finish(tx, current, options);
      current = current.rest(new EdgeWorkspace(tx));
      await current.edges.load(needed());
    }
    await this.finish(tx, current, options);
    for (const table of registry.parentsFirst()) {
      if (unnamed.has(table.name) && (await removeOrphans(tx, table))) {
        for (const child of registry.children(table.name)) await this.resettle(tx, child, 'all', options);
      }
      if (touchedUnnamed.has(table.name)) {
        await this.resettle(tx, table, 'all', options);
        continue;
      }
      const settled = new Set(
        (byTable.get(table.name) ?? [])
          .filter(({ kind }) => kind !== 'delete')
          .map(({ recordId }) => recordId),
      );
      const ids = [...(touched.get(table.name) ?? [])].filter((id) => !settled.has(id));
      await this.resettle(tx, table, { column: table.idColumn, values: ids }, { ...options, removed: true });
    }
    if (unseen.size > 0) {
      await forgetRules(tx, [...unseen]);
      this.unseen = true;
    }
  }

  private async applyEvents(
    tx: ChangelogTransaction,
    work: MembershipWork,
    table: SyncTable,
    events: readonly RowEvent[],
  ): Promise<void> {
    const rows = rowsToResolve(events);
    const { buckets, failures } = await this.rules.resolve(tx, table, rows);
    work.fail(table, failures, Operation.update);
    const followed = work.hasMovedParents(table) ? followedEvents(events) : new Set<RowEvent>();
    const isParent = this.tracked.registry.children(table.name).length > 0;
    const placeOf = (event: RowEvent): number => (followed.has(event) ? event.order : END);
    const gone = await goneNewcomers(tx, work, table, events, buckets, placeOf);
    let next = 0;
    for (const event of events) {
      const isKnown = event.row !== null && !event.unknown;
      settleEvent(work, event, {
        own: isKnown ? (buckets[next++] ?? null) : null,
        isFollowed: followed.has(event),
        isGone: gone.has(event),
        isParent,
        writtenAt: tx.begunAt,
      });
    }
    work.noteChanges(table, events);
  }

  private newWork(tx: ChangelogTransaction): MembershipWork {
    return new MembershipWork(new EdgeWorkspace(tx), this.open);
  }

  private async resettleRows(
    tx: ChangelogTransaction,
    table: SyncTable,
    { rows: current, records, edges }: RowsWithEdges,
    options: ResettleOptions,
  ): Promise<void> {
    const cause = options.refresh === true ? 'update' : options.compare === true ? 'compared' : 'resettled';
    const work = this.newWork(tx);
    work.edges.add(records, edges);
    const rows = work.childrenOf(options.childrenOf, table, current);
    const events = rows.map((row, order) => ({ order, table, recordId: row.recordId, row }));
    const { buckets, failures } = await this.rules.resolve(tx, table, rows);
    work.fail(table, failures, Operation.update);
    for (const { order, recordId, row } of events) {
      const state = {
        ...rowState(table, row),
        buckets: work.withInherited(table, row, buckets[order] ?? null, END),
        commitTime: options.time,
        writtenAt: tx.begunAt,
        cause,
      } as const;
      work.add(order, table, recordId, settleRow(work.edges.record(table.name, recordId), state));
    }
    work.noteChanges(table, events);
    await this.finish(tx, work, options);
  }

  /** Writes what the work came to, then goes to the children of every record whose buckets changed. */
  private async finish(
    tx: ChangelogTransaction,
    work: MembershipWork,
    options: ResettleOptions,
  ): Promise<void> {
    work.edges.flush(options.silent === true ? [] : work.sortedEntries());
    if (work.waiting.size > 0) {
      this.open.waiting = true;
      await saveWaiting(tx, [...work.waiting.values()]);
    }
    if (this.open.waiting) {
      for (const [table, ids] of work.noLongerWaiting) await deleteWaiting(tx, table, [...ids]);
    }
    await settleFailures(tx, work.failures, work.resolvedRows, this.open);
    for (const table of this.tracked.registry.parentsFirst()) {
      const { appeared, changed } = work.changesOf(table);
      await this.follow(tx, table, [...appeared], changed, options);
    }
  }

  /**
   * Children of rows that changed their buckets are found by foreign key; a row that is new can have none but
   * those that wait for it (interleavings 7).
   */
  private async follow(
    tx: ChangelogTransaction,
    table: SyncTable,
    appeared: readonly string[],
    changed: ReadonlySet<string>,
    options: ResettleOptions,
  ): Promise<void> {
    const children = this.tracked.registry.children(table.name);
    if (children.length === 0) return;
    const followers = { time: options.time, silent: options.silent === true };
    for (const child of children) {
      const filter = { column: child.parentFkColumn ?? '', values: [...changed] };
      await this.resettle(tx, child, filter, { ...followers, childrenOf: 'theirs' });
    }
    if (!this.open.waiting || appeared.length === 0) return;
    const released = new Map<string, string[]>();
    const childrenOf = new Set(appeared);
    for (const row of await releaseWaiting(tx, table.name, appeared)) {
      upsert(released, row.table, () => []).push(row.recordId);
    }
    for (const child of children) {
      const values = released.get(child.name) ?? [];
      await this.resettle(tx, child, { column: child.idColumn, values }, { ...followers, childrenOf });
    }
  }

  private async truncate(
    tx: ChangelogTransaction,
    table: SyncTable,
    options: ResettleOptions,
  ): Promise<void> {
    await removeAllEdges(tx, table);
    for (const child of this.tracked.registry.children(table.name))
      await this.resettle(tx, child, 'all', options);
  }
}
