import { Inject, Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { groupBy } from '../../common/collections.js';
import { SyncRegistry } from '../../registry/sync-registry.js';
import type { SchemaContract } from '../../schema/schema-contract.js';
import type { SyncClient } from '../../store/sync-clients.js';
import { SYNCHRO_OPTIONS, type SynchroOptions } from '../../synchro.options.js';
import type { LogState } from '../sync-context.js';
import type { WireRecord } from '../wire-record.js';
import { DEFAULT_PAGE_BYTES, Hydrator, type HydratedRow } from './hydrator.js';
import { laterTime, readLogPage, type LoggedRecord } from './log-page.js';

/** Why a device has to take a snapshot before it can pull. */
export type SnapshotReason = 'initial_sync_required' | 'checkpoint_before_retention' | 'history_unavailable';

export interface PullPage {
  readonly changes: readonly WireRecord[];
  readonly deletes: readonly { readonly id: string; readonly table: string }[];
  readonly checkpoint: bigint;
  readonly hasMore: boolean;
  /** Deleted records whose delete was held back, by table: they are live again by now, which the log will say. */
  readonly heldBack: ReadonlyMap<string, readonly string[]>;
}

export interface PullQuery {
  readonly checkpoint: bigint;
  readonly limit: number;
  readonly tables: readonly string[] | null;
  /** What the user may read now. */
  readonly buckets: readonly string[];
}

/**
 * Why this client can't go on from this checkpoint; null when it can (design, rules 6 to 8). One below zero means from
 * the beginning (wire-protocol §3).
 */
export function snapshotReason(client: SyncClient, log: LogState, checkpoint: bigint): SnapshotReason | null {
  if (!client.hasSnapshot) {
    return checkpoint <= 0n && !client.hasPulled ? 'initial_sync_required' : 'history_unavailable';
  }
  const from = checkpoint < 0n ? 0n : checkpoint;
  if (from > log.lastSeq || from < log.epochSeq) return 'history_unavailable';
  return from < log.floorSeq ? 'checkpoint_before_retention' : null;
}

/** What a pull answers to whom the log says nothing new. */
export function emptyPage(query: Pick<PullQuery, 'checkpoint' | 'tables'>, log: LogState): PullPage {
  const checkpoint = nextCheckpoint(query, log, { lastSeq: null, hasMore: false });
  return { changes: [], deletes: [], checkpoint, hasMore: false, heldBack: new Map() };
}

/** Answers what changed for a client since a checkpoint, within one snapshot of the database. */
@Injectable()
export class Puller {
  private readonly maxPageBytes: number;

  constructor(
    private readonly registry: SyncRegistry,
    private readonly hydrator: Hydrator,
    @Inject(SYNCHRO_OPTIONS) options: SynchroOptions,
  ) {
    this.maxPageBytes = options.maxPageBytes ?? DEFAULT_PAGE_BYTES;
  }

  async pull(
    manager: EntityManager,
    contract: SchemaContract,
    client: SyncClient,
    log: LogState,
    query: PullQuery,
  ): Promise<PullPage> {
    const page = await readLogPage(manager, client, { ...query, lastSeq: log.lastSeq });
    const known = page.records.filter((record) => contract.tables.has(record.table));
    const rows = await this.hydrator.hydrate(
      manager,
      contract,
      idsByTable(known.filter((record) => record.member || this.mayBeBack(record))),
      page.buckets,
      this.maxPageBytes,
    );
    const row = (record: LoggedRecord): HydratedRow | undefined =>
      rows.get(record.table)?.get(record.recordId);
    // Where the budget ran out the page ends, before the first record that it left without data.
    const cut = known.find((record) => row(record)?.data === null)?.firstSeq;
    const served = this.parentsFirst(known.filter((record) => cut === undefined || record.firstSeq < cut));
    const gone = served.filter((record) => !record.member && !record.onlyCame);
    return {
      changes: served.flatMap((record) => (record.member ? toWire(record, row(record)) : [])),
      deletes: gone
        .filter((record) => !isBack(row(record)))
        .map((record) => ({ id: record.recordId, table: record.table })),
      heldBack: idsByTable(gone.filter((record) => isBack(row(record)))),
      checkpoint: nextCheckpoint(query, log, cut === undefined ? page : { lastSeq: cut - 1n, hasMore: true }),
      hasMore: page.hasMore || cut !== undefined,
    };
  }

  /** Where the rule is not repeated, a row that is there may be anybody's. */
  private mayBeBack({ table, mayReturn, mayBeMadeAnew }: LoggedRecord): boolean {
    return mayReturn || (mayBeMadeAnew && this.hydrator.repeatsRule(this.registry.get(table)));
  }

  /** The order of the log, but parents before their children (hazard W-PULL-11). */
  private parentsFirst(records: readonly LoggedRecord[]): readonly LoggedRecord[] {
    const depth = (record: LoggedRecord): number => this.registry.get(record.table).depth;
    return records.toSorted((a, b) => depth(a) - depth(b));
  }
}

function idsByTable(records: readonly LoggedRecord[]): ReadonlyMap<string, readonly string[]> {
  const byTable = groupBy(records, (record) => record.table);
  return new Map([...byTable].map(([table, group]) => [table, group.map((record) => record.recordId)]));
}

/**
 * A caught-up client gets the high-water mark, so that a quiet one never holds compaction back; with a `tables`
 * filter it would skip what was filtered out (interleavings 23).
 */
function nextCheckpoint(
  query: Pick<PullQuery, 'checkpoint' | 'tables'>,
  log: LogState,
  page: { readonly lastSeq: bigint | null; readonly hasMore: boolean },
): bigint {
  if (!page.hasMore && query.tables === null) return log.lastSeq;
  return page.lastSeq ?? query.checkpoint;
}

/**
 * A deleted row is live again by now, undeleted or made anew: its delete is withheld, and the entry that brings it back
 * follows. The device may know that version of the row already, and would then skip what comes after the delete.
 */
function isBack(row: HydratedRow | undefined): boolean {
  return row !== undefined && row.deletedAt === null;
}

/**
 * The row as it is now. One that is missing was deleted, or has moved out of the user's sight, since its entry was
 * written: another entry will say so.
 */
function toWire(record: LoggedRecord, row: HydratedRow | undefined): readonly WireRecord[] {
  if (!row || row.data === null) return [];
  return [
    {
      id: record.recordId,
      table: record.table,
      data: row.data,
      updatedAt: laterTime(row.updatedAt ?? record.loggedAt, record.servedAt),
      deletedAt: row.deletedAt,
    },
  ];
}
