import type { Lsn } from '../../common/lsn.js';
import type { SyncTable } from '../../registry/sync-table.js';
import type { ChangelogTransaction } from '../../store/changelog/changelog-transaction.js';
import type { EdgeRow, RecordIds } from '../../store/changelog/edges.js';
import { forgetRules } from '../../store/rule-marks.js';
import { Ancestry } from './ancestry.js';
import { prepareBatch, type PreparedBatch } from '../stream/batch-segments.js';
import { END, followedEvents } from '../rules/bucket-timeline.js';
import { Operation } from '../../store/changelog/operation.js';
import { EdgeWorkspace } from './edge-workspace.js';
import { askForBuckets } from '../rules/event-buckets.js';
import { updatesOfDeletedRows } from './updates-of-deleted-rows.js';
import { MembershipUpdater } from './membership-updater.js';
import { neededEdges, readPendingWork, type MembershipWork } from './membership-work.js';
import type { RowReports, SetAside } from './poison-rows.js';
import type { ReresolveOptions } from './reresolve-options.js';
import type { RowEvent, RowEvents } from '../stream/row-events.js';
import { applyEvent } from './apply-event.js';
import type { RecentRemovals } from '../stream/recent-removals.js';
import type { BucketRules } from '../rules/bucket-rules.js';
import type { TrackedTables } from '../tables/tracked-tables.js';
import type { Change } from '../stream/transaction-batcher.js';

/**
 * Applies changes to edges and changelog: resolves the buckets of each changed row, writes the difference, and
 * follows it to children and dependents. No other code decides which users see a row.
 */
export class MembershipApplier extends MembershipUpdater {
  constructor(
    tracked: TrackedTables,
    rules: BucketRules,
    reports: RowReports,
    /** Kept from session to session. */
    private readonly removals: RecentRemovals,
  ) {
    super(tracked, rules, reports);
  }

  /**
   * Reads what is {@link pending} once, when this instance takes the lead: otherwise each batch would query it for
   * every row.
   */
  async survey(tx: ChangelogTransaction): Promise<void> {
    // The former leader may have resolved rows that the stream brings from here on.
    tx.markReadAhead();
    this.updatePending(await readPendingWork(tx));
    await this.removals.load(tx);
  }

  /** Works out what can be without the database, for {@link apply}. */
  prepare(changes: readonly Change[], readAheadLsn: Lsn | null): PreparedBatch {
    return prepareBatch(changes, this.tracked, readAheadLsn);
  }

  /**
   * Applies a batch in its order.
   * @param edges of its records, read in the same transaction
   */
  async apply(
    tx: ChangelogTransaction,
    { segments, records }: PreparedBatch,
    edges: readonly EdgeRow[],
  ): Promise<void> {
    this.removals.begin(tx.begunAt);
    for (const [place, segment] of segments.entries()) {
      const { time } = segment;
      if (segment.rows) {
        const { rows, fresh } = segment;
        await this.withoutPoison(tx, async (aside) => {
          const work = this.newWork(tx);
          // Later segments find other edges.
          if (place === 0) work.edges.add(records, edges);
          if (!tx.readAhead) work.edges.add(fresh, []);
          await this.applyRows(tx, work, rows, aside, time);
        });
        continue;
      }
      for (const relation of segment.truncated) {
        const found = this.tracked.find(relation.schema, relation.name);
        if (found?.table) await this.truncate(tx, found.table, { time });
        for (const { table } of found?.dependents ?? []) await this.reresolve(tx, table, 'all', { time });
      }
    }
  }

  private async applyRows(
    tx: ChangelogTransaction,
    work: MembershipWork,
    { byTable: all, touched, unnamed, unidentified, touchedUnnamed }: RowEvents,
    aside: SetAside,
    time: bigint,
  ): Promise<void> {
    const byTable = aside.without(all);
    const { registry } = this.tracked;
    for (const [name, events] of byTable)
      await askForBuckets(tx, this.tracked, this.rules, registry.get(name), events);
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
      // Parents of the remaining events move with their own parents, though they may have no event.
      await this.finish(tx, current, options);
      current = current.rest(new EdgeWorkspace(tx), this.pending);
      await current.edges.load(needed());
    }
    await this.finish(tx, current, options);
    for (const table of registry.parentsFirst()) {
      if (unnamed.has(table.name)) await this.removals.addAny(tx, table.name, time);
      if (unnamed.has(table.name) && (await this.removeOrphans(tx, table))) {
        for (const child of registry.children(table.name)) await this.reresolve(tx, child, 'all', options);
      }
      if (touchedUnnamed.has(table.name)) {
        await this.reresolve(tx, table, 'all', options);
        continue;
      }
      const applied = new Set(
        (byTable.get(table.name) ?? [])
          .filter(({ kind }) => kind !== 'delete')
          .map(({ recordId }) => recordId),
      );
      const ids = [...(touched.get(table.name) ?? [])].filter((id) => !applied.has(id));
      await this.reresolve(tx, table, { column: table.idColumn, values: ids }, { ...options, removed: true });
    }
    if (unidentified.size > 0) {
      await forgetRules(tx, [...unidentified]);
      this.updatePending({ unidentifiedChanges: true });
    }
  }

  private async applyEvents(
    tx: ChangelogTransaction,
    work: MembershipWork,
    table: SyncTable,
    events: readonly RowEvent[],
  ): Promise<void> {
    const failures = events.map(({ failure }) => failure).filter((failure) => failure !== null);
    work.fail(table, failures, Operation.update);
    const followed = work.hasMovedParents(table) ? followedEvents(events) : new Map<RowEvent, number>();
    const isParent = this.tracked.registry.children(table.name).length > 0;
    const placeOf = (event: RowEvent): number => (followed.has(event) ? event.order : END);
    const gone = await updatesOfDeletedRows(tx, work, table, events, placeOf);
    for (const event of events) {
      const { recordId, row, commitTime } = event;
      const record = work.edges.record(table.name, recordId);
      const hadEdges = record.edges.size > 0;
      applyEvent(work, event, {
        own: event.own,
        until: followed.get(event) ?? END,
        isGone: gone.has(event),
        isParent,
        writtenAt: tx.begunAt,
        known: this.removals.knownTime(table.name, recordId, commitTime),
      });
      if (record.edges.size === 0 && (hadEdges || row === null))
        this.removals.add(table.name, recordId, { known: record.rowMicros, commitTime });
    }
    work.recordChanges(table, events);
  }

  private async truncate(
    tx: ChangelogTransaction,
    table: SyncTable,
    options: ReresolveOptions,
  ): Promise<void> {
    await this.removals.addAny(tx, table.name, options.time);
    await this.removeAllEdges(tx, table);
    for (const child of this.tracked.registry.children(table.name))
      await this.reresolve(tx, child, 'all', options);
  }
}
