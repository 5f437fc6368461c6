import { Inject, Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { SyncRegistry } from '../../registry/sync-registry.js';
import type { SyncTable } from '../../registry/sync-table.js';
import type { SchemaContract } from '../../schema/schema-contract.js';
import { beginSnapshot, renewSnapshot, resumeSnapshot, type SyncClient } from '../../store/sync-clients.js';
import { SYNCHRO_OPTIONS } from '../../synchro.options.js';
import type { SynchroSettings } from '../../synchro.settings.js';
import { noteSubscriptions } from '../note-subscriptions.js';
import { difference } from '../pull/bucket-difference.js';
import { DEFAULT_PAGE_BYTES, Hydrator } from '../pull/hydrator.js';
import { notRegistered } from '../sync-context.js';
import type { WireRecord } from '../wire-record.js';
import type { SnapshotCursor } from './snapshot-cursor.js';

export interface SnapshotPage {
  readonly records: readonly WireRecord[];
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
    const { snapshotHold } = this.options;
    if (cursor && this.registry.find(cursor.table) !== undefined) {
      await noteSubscriptions(manager, client, buckets, cursor.checkpoint);
      if (await renewSnapshot(manager, client, cursor.checkpoint, snapshotHold)) return cursor;
      if (await resumeSnapshot(manager, client, cursor.checkpoint, snapshotHold)) return cursor;
    }
    // A device that has never had one has no checkpoint to go on from.
    const changes = client.acknowledged !== null && changesSubscriptions(client, buckets);
    const checkpoint = await beginSnapshot(manager, client, buckets, {
      changes,
      holdMilliseconds: snapshotHold,
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
    const records: WireRecord[] = [];
    let bytes = 0;
    let index = tables.findIndex((table) => table.name === cursor.table);
    let afterId = cursor.afterId;
    for (let table = tables[index]; table; table = tables[++index], afterId = '') {
      const room = { records: limit - records.length, bytes: this.maxPageBytes - bytes };
      const part = await this.tablePart(manager, contract, table, afterId, buckets, room);
      records.push(...part.records);
      bytes += part.bytes;
      const next = part.lastId === null ? tables[index + 1] : table;
      const full = part.lastId !== null || records.length >= limit || bytes >= this.maxPageBytes;
      if (next && full) {
        return {
          records,
          next: { checkpoint: cursor.checkpoint, table: next.name, afterId: part.lastId ?? '' },
        };
      }
    }
    return { records, next: null };
  }

  /** @returns the records, and the last id looked at when the table may have more */
  private async tablePart(
    manager: EntityManager,
    contract: SchemaContract,
    table: SyncTable,
    afterId: string,
    buckets: readonly string[],
    room: { readonly records: number; readonly bytes: number },
  ): Promise<{ records: readonly WireRecord[]; bytes: number; lastId: string | null }> {
    const edges: { record_id: string }[] = await manager.query(IDS, [
      buckets,
      table.name,
      afterId,
      room.records,
    ]);
    const ids = edges.map((edge) => edge.record_id);
    const rows = await this.hydrator.hydrate(
      manager,
      contract,
      new Map([[table.name, ids]]),
      buckets,
      room.bytes,
    );
    const records: WireRecord[] = [];
    let bytes = 0;
    let lastId = ids.length < room.records ? null : (ids.at(-1) ?? null);
    let previous = afterId;
    for (const id of ids) {
      const row = rows.get(table.name)?.get(id);
      if (row?.data === null) {
        lastId = previous;
        break;
      }
      previous = id;
      if (!row || row.deletedAt !== null) continue;
      bytes += row.data.length;
      records.push({
        id,
        table: table.name,
        data: row.data,
        updatedAt: row.updatedAt ?? EPOCH,
        deletedAt: null,
      });
    }
    return { records, bytes, lastId };
  }
}

function changesSubscriptions(client: SyncClient, buckets: readonly string[]): boolean {
  return client.leaving.length > 0 || difference(client.buckets, buckets) !== null;
}

/** For a row without `updated_at`: anything that comes later is newer. */
const EPOCH = '1970-01-01T00:00:00Z';

const IDS = `
SELECT DISTINCT e.record_id
  FROM unnest($1::text[]) AS b (bucket_id)
 CROSS JOIN LATERAL (
   SELECT record_id FROM sync_bucket_edges
    WHERE bucket_id = b.bucket_id AND table_name = $2 AND live AND record_id > $3
    ORDER BY record_id LIMIT $4::int) AS e
 ORDER BY e.record_id LIMIT $4::int`;
