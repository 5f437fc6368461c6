import { Inject, Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { SyncRegistry } from '../../registry/sync-registry.js';
import type { ContractTable, SchemaContract } from '../../schema/schema-contract.js';
import { Statement } from '../../store/statement.js';
import { beginSnapshot, renewSnapshot, resumeSnapshot, type SyncClient } from '../../store/sync-clients.js';
import { SYNCHRO_OPTIONS } from '../../synchro.options.js';
import type { SynchroSettings } from '../../synchro.settings.js';
import { noteSubscriptions } from '../note-subscriptions.js';
import { difference } from '../pull/bucket-difference.js';
import { DEFAULT_PAGE_BYTES, Hydrator } from '../pull/hydrator.js';
import { notRegistered } from '../sync-context.js';
import { joined, NO_RECORDS, type WireRecords } from '../wire-records.js';
import type { SnapshotCursor } from './snapshot-cursor.js';

export interface SnapshotPage {
  readonly records: WireRecords;
  /** null on the last page. */
  readonly next: SnapshotCursor | null;
}

/**
 * Pages over the live rows that a user may see, parents' tables first, in the order of the edges' key: a page costs
 * the same however large the table is. Membership comes from the edges alone, as in a pull (hazard W-SNAP-6).
 */
@Injectable()
export class Snapshotter {
  private readonly maxPageBytes: number;

  constructor(
    private readonly registry: SyncRegistry,
    private readonly hydrator: Hydrator,
    @Inject(SYNCHRO_OPTIONS)
    private readonly options: Pick<SynchroSettings, 'maxPageBytes' | 'snapshotHold'>,
  ) {
    this.maxPageBytes = options.maxPageBytes ?? DEFAULT_PAGE_BYTES;
  }

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
    const hold = HELD * this.options.snapshotHold;
    if (cursor && this.registry.find(cursor.table) !== undefined) {
      await noteSubscriptions(manager, client, buckets, cursor.checkpoint);
      if (await renewSnapshot(manager, client, cursor.checkpoint, hold)) return cursor;
      if (await resumeSnapshot(manager, client, cursor.checkpoint, hold)) return cursor;
    }
    // A device that has never had one has no checkpoint to go on from.
    const changes = client.acknowledged !== null && changesSubscriptions(client, buckets);
    const checkpoint = await beginSnapshot(manager, client, buckets, {
      changes,
      holdMilliseconds: hold,
    });
    if (checkpoint === null) throw notRegistered();
    return { checkpoint, table: this.registry.parentsFirst()[0]?.name ?? '', afterId: '' };
  }

  async page(
    manager: EntityManager,
    contract: SchemaContract,
    cursor: SnapshotCursor,
    buckets: readonly string[],
    limit: number,
  ): Promise<SnapshotPage> {
    const tables = this.registry.parentsFirst();
    const parts: WireRecords[] = [];
    let [count, bytes] = [0, 0];
    let index = tables.findIndex((table) => table.name === cursor.table);
    let afterId = cursor.afterId;
    for (let table = tables[index]; table; table = tables[++index], afterId = '') {
      const room = { records: limit - count, bytes: this.maxPageBytes - bytes };
      const part = await this.tablePart(manager, contract.tables.get(table.name), afterId, buckets, room);
      parts.push(part.records);
      count += part.records.count;
      bytes += part.records.text.length;
      const next = part.lastId === null ? tables[index + 1] : table;
      const full = part.lastId !== null || count >= limit || bytes >= this.maxPageBytes;
      if (next && full) {
        return {
          records: joined(parts),
          next: { checkpoint: cursor.checkpoint, table: next.name, afterId: part.lastId ?? '' },
        };
      }
    }
    return { records: joined(parts), next: null };
  }

  /** @returns the records, and the last id looked at when the table may have more */
  private async tablePart(
    manager: EntityManager,
    table: ContractTable | undefined,
    afterId: string,
    buckets: readonly string[],
    room: { readonly records: number; readonly bytes: number },
  ): Promise<{ readonly records: WireRecords; readonly lastId: string | null }> {
    if (!table) return { records: NO_RECORDS, lastId: null };
    const [page] = await IDS.run(manager, [buckets, table.table.name, afterId, room.records]);
    if (!page || page.ids === null) return { records: NO_RECORDS, lastId: null };
    const list = { table, ids: page.ids, servedAt: null, loggedAt: null };
    const options = { buckets, maxBytes: room.bytes, liveOnly: true };
    const [read] = await this.hydrator.hydrate(manager, [list], options);
    const records = joined(read?.pieces ?? []);
    if (read && read.cut !== null) {
      // The record before the first one that the budget has left out.
      const rows: { id: string }[] = await manager.query('SELECT ($1::text[])[$2::int] AS id', [
        page.ids,
        read.cut - 1,
      ]);
      return { records, lastId: rows[0]?.id ?? afterId };
    }
    return { records, lastId: page.count < room.records ? null : page.last_id };
  }
}

/** By so much longer it is held than it may pause, so that not each page has to renew that. */
const HELD = 1.5;

function changesSubscriptions(client: SyncClient, buckets: readonly string[]): boolean {
  return client.leaving.length > 0 || difference(client.buckets, buckets) !== null;
}

const IDS = new Statement<{
  readonly ids: string | null;
  readonly count: number;
  readonly last_id: string | null;
}>(`
SELECT array_agg(e.record_id ORDER BY e.record_id)::text AS ids, count(*)::int AS count, max(e.record_id) AS last_id
  FROM (
    SELECT DISTINCT e.record_id
      FROM unnest($1::text[]) AS b (bucket_id)
     CROSS JOIN LATERAL (
       SELECT record_id FROM sync_bucket_edges
        WHERE bucket_id = b.bucket_id AND table_name = $2 AND live AND record_id > $3
        ORDER BY record_id LIMIT $4::int) AS e
     ORDER BY e.record_id LIMIT $4::int) AS e`);
