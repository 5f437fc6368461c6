import { Inject, Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { parsePgArray } from '../../database/pg-array-literal.js';
import { SyncRegistry } from '../../registry/sync-registry.js';
import type { ContractTable, SchemaContract } from '../../schema/schema-contract.js';
import { pipelined, StatementBatch } from '../../database/pipeline.js';
import { PreparedStatement } from '../../database/statement.js';
import {
  beginSnapshot,
  type HoldTimes,
  renewSnapshot,
  resumeSnapshot,
} from '../../store/changelog/snapshot-holds.js';
import type { SyncClient } from '../../store/clients/sync-clients.js';
import { SYNCHRO_OPTIONS } from '../../settings/synchro.options.js';
import type { SynchroSettings } from '../../settings/synchro.settings.js';
import { queueSubscriptionChange } from '../request/subscription-change.js';
import { type Redelivery, redeliveriesOf } from '../rows/redelivery.js';
import { difference } from '../pull/bucket-difference.js';
import {
  type Hydrated,
  type HydrateOptions,
  Hydrator,
  type RecordList,
  toHydrated,
} from '../rows/hydrator.js';
import { notRegistered } from '../request/sync-context.js';
import { UnreadableRows } from '../rows/unreadable-rows.js';
import { joined, type WireRecords } from '../rows/wire-records.js';
import type { SnapshotCursor } from './snapshot-cursor.js';

export interface SnapshotPage {
  readonly records: WireRecords;
  readonly redeliveries: readonly Redelivery[];
  /** null on the last page. */
  readonly next: SnapshotCursor | null;
}

/**
 * Pages over the live rows that a user may see, parents' tables first, in the order of the edges' key: a page costs
 * the same however large the table is. Membership comes from the edges alone, as in a pull (hazard W-SNAP-6).
 */
@Injectable()
export class Snapshotter {
  constructor(
    private readonly registry: SyncRegistry,
    private readonly hydrator: Hydrator,
    private readonly unreadable: UnreadableRows,
    @Inject(SYNCHRO_OPTIONS)
    private readonly options: Pick<SynchroSettings, 'maxPageBytes' | 'snapshotHold' | 'limits'>,
  ) {}

  /** Whether a device may go on from here as it is: what it needs is held for long enough, and its buckets are the same. */
  isHeld(
    client: SyncClient,
    { checkpoint, table }: SnapshotCursor,
    lastSeq: bigint,
    buckets: readonly string[],
  ): boolean {
    const { hold } = client;
    if (hold === null || hold.seq > checkpoint || checkpoint > lastSeq) return false;
    return (
      hold.left > this.options.snapshotHold &&
      this.registry.find(table) !== undefined &&
      difference([...client.buckets, ...client.coming], buckets) === null
    );
  }

  /**
   * Where a device goes on, or begins; what it needs is held from there on.
   * @param cursor null: from the beginning
   * @throws SynchroError `client_not_registered` when it has been removed in the meantime
   */
  async enter(
    manager: EntityManager,
    client: SyncClient,
    cursor: SnapshotCursor | null,
    buckets: readonly string[],
  ): Promise<SnapshotCursor> {
    const { snapshotHold, limits } = this.options;
    const hold: HoldTimes = { duration: HELD * snapshotHold, maxAge: limits.snapshotAge };
    if (cursor && this.registry.find(cursor.table) !== undefined) {
      await pipelined(manager, queueSubscriptionChange(client, buckets, cursor.checkpoint));
      if (await renewSnapshot(manager, client, cursor.checkpoint, hold)) return cursor;
      if (await resumeSnapshot(manager, client, cursor.checkpoint, hold)) return cursor;
    }
    // A device that has never had one has no checkpoint to go on from.
    const changes = client.acknowledged !== null && changesSubscriptions(client, buckets);
    const checkpoint = await beginSnapshot(manager, client, buckets, changes, hold);
    if (checkpoint === null) throw notRegistered();
    return { checkpoint, table: this.registry.parentsFirst()[0]?.name ?? '', afterId: '' };
  }

  async page(
    manager: EntityManager,
    contract: SchemaContract,
    cursor: SnapshotCursor,
    buckets: readonly string[],
    limit: number,
    careful = false,
  ): Promise<StatementBatch<SnapshotPage>> {
    const tables = this.registry.parentsFirst();
    const { maxPageBytes } = this.options;
    const { checkpoint } = cursor;
    const parts: WireRecords[] = [];
    const redeliveries: Redelivery[] = [];
    const take = (
      { table }: TableList,
      rows: readonly unknown[] = [],
    ): WireRecords & Pick<Hydrated, 'cut'> => {
      const hydrated = toHydrated(rows);
      const records = joined(hydrated.pieces);
      parts.push(records);
      redeliveries.push(...redeliveriesOf(table, hydrated));
      return { ...records, cut: hydrated.cut };
    };
    const toPage = (next: SnapshotCursor | null): SnapshotPage => ({
      records: joined(parts),
      redeliveries,
      next,
    });
    let [count, bytes] = [0, 0];
    let index = tables.findIndex((table) => table.name === cursor.table);
    let { afterId } = cursor;
    for (let table = tables[index]; table; table = tables[++index], afterId = '') {
      const room = limit - count;
      const asked = await listAfter(manager, contract.tables.get(table.name), afterId, buckets, room);
      if (!asked) continue;
      const budget = { buckets, maxBytes: maxPageBytes - bytes, liveOnly: true };
      const list = careful ? await this.readable(manager, asked, budget, redeliveries) : asked;
      const statements = this.hydrator.statements(manager, [list], budget);
      const { name } = table;
      const next = (cut: number | null): SnapshotCursor => ({
        checkpoint,
        table: name,
        afterId: lastDelivered(list, cut),
      });
      if (list.count >= room)
        return new StatementBatch(statements, ([rows]) => toPage(next(take(list, rows).cut)));
      const [rows] = await pipelined(manager, statements);
      const { cut, ...records } = take(list, rows);
      count += records.count;
      bytes += records.text.length;
      if (cut !== null || (bytes >= maxPageBytes && tables[index + 1]))
        return StatementBatch.of(toPage(next(cut)));
    }
    return StatementBatch.of(toPage(null));
  }

  /** A list without the rows that can't be read. @param redeliveries gets these */
  private async readable(
    manager: EntityManager,
    list: TableList,
    budget: HydrateOptions,
    redeliveries: Redelivery[],
  ): Promise<TableList> {
    const found = await this.unreadable.leaveOut(manager, [list], budget);
    redeliveries.push(...found.redeliveries);
    return found.lists[0] ?? list;
  }
}

/** Records of one table that a page may have, in the order of their keys. */
interface TableList extends RecordList {
  readonly count: number;
  /** They come after it. */
  readonly afterId: string;
  readonly lastId: string;
}

async function listAfter(
  manager: EntityManager,
  table: ContractTable | undefined,
  afterId: string,
  buckets: readonly string[],
  limit: number,
): Promise<TableList | null> {
  const [list] = table ? await IDS.run(manager, [buckets, table.table.name, afterId, limit]) : [];
  if (!table || !list || list.ids === null) return null;
  return {
    table,
    ids: list.ids,
    count: list.count,
    afterId,
    lastId: list.last_id ?? afterId,
    servedAt: null,
  };
}

/**
 * Where the next page begins: behind the last record that this one was to have.
 * @param cut place, from 1, of the first one that the budget has left out; null: none
 */
function lastDelivered({ ids, afterId, lastId }: TableList, cut: number | null): string {
  if (cut === null) return lastId;
  const before = parsePgArray(ids)?.[cut - 2];
  return typeof before === 'string' ? before : afterId;
}

/** By so much longer it is held than it may pause, so that not each page has to renew that. */
const HELD = 1.5;

function changesSubscriptions(client: SyncClient, buckets: readonly string[]): boolean {
  return client.leaving.length > 0 || difference(client.buckets, buckets) !== null;
}

/** A range, and an order by it, so that only the index of the buckets serves (see the page of the log). */
const IDS = new PreparedStatement<{
  readonly ids: string | null;
  readonly count: number;
  readonly last_id: string | null;
}>(`
SELECT array_agg(e.record_id ORDER BY e.record_id)::text AS ids, count(*)::int AS count, max(e.record_id) AS last_id
  FROM (
    SELECT DISTINCT e.record_id
      FROM unnest($1::text[]) AS b (bucket_id)
     CROSS JOIN LATERAL (
       SELECT record_id FROM :sync.sync_bucket_edges
        WHERE (bucket_id, table_name, record_id) > (b.bucket_id, $2, $3)
          AND (bucket_id, table_name) <= (b.bucket_id, $2) AND live
        ORDER BY bucket_id, table_name, record_id LIMIT $4::int) AS e
     ORDER BY e.record_id LIMIT $4::int) AS e`);
