import { Inject, Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { groupBy } from '../../common/collections.js';
import type { ContractTable } from '../../schema/schema-contract.js';
import { StatementBatch } from '../../database/pipeline.js';
import type { SyncClient } from '../../store/clients/sync-clients.js';
import { SYNCHRO_OPTIONS } from '../../settings/synchro.options.js';
import type { SynchroSettings } from '../../settings/synchro.settings.js';
import type { LogState } from '../request/log-state.js';
import type { SyncContext } from '../request/sync-context.js';
import { joined, NO_RECORDS, type WireRecords } from '../rows/wire-records.js';
import { type Hydrated, type HydrateOptions, Hydrator, toHydrated } from '../rows/hydrator.js';
import { nextCheckpoint } from './checkpoints.js';
import { type LoggedRecords, parseSeqs, readLogPage, Standing } from './log-page.js';
import { type Redelivery, redeliveriesOf } from '../rows/redelivery.js';
import { recordId } from '../push/values/record-id.js';
import { UnreadableRows } from '../rows/unreadable-rows.js';

export interface PullPage {
  readonly changes: WireRecords;
  readonly deletes: readonly { readonly id: string; readonly table: string }[];
  readonly checkpoint: bigint;
  readonly hasMore: boolean;
  readonly redeliveries: readonly Redelivery[];
}

/** The device that pulls, and the log, as one snapshot of the database has them. */
export interface PullContext extends SyncContext {
  readonly client: SyncClient;
  readonly log: LogState;
}

export interface PullQuery {
  readonly checkpoint: bigint;
  readonly limit: number;
  readonly tables: readonly string[] | null;
  /** The buckets that the user may read now. */
  readonly buckets: readonly string[];
}

/** The answer to a pull without new entries. */
export function emptyPage(query: Pick<PullQuery, 'checkpoint' | 'tables'>, log: LogState): PullPage {
  const checkpoint = nextCheckpoint(query, log, { lastSeq: null, hasMore: false });
  return { changes: NO_RECORDS, deletes: [], checkpoint, hasMore: false, redeliveries: [] };
}

/** Answers what changed for a client since a checkpoint, within one snapshot of the database. */
@Injectable()
export class Puller {
  constructor(
    private readonly hydrator: Hydrator,
    private readonly unreadable: UnreadableRows,
    @Inject(SYNCHRO_OPTIONS) private readonly settings: Pick<SynchroSettings, 'maxPageBytes'>,
  ) {}

  /** @param careful rows may be there that can't be read (see {@link UnreadableRows}) */
  async pull(
    manager: EntityManager,
    { contract, client, log }: PullContext,
    query: PullQuery,
    careful: boolean,
  ): Promise<StatementBatch<PullPage>> {
    const tables = query.tables?.filter((name) => contract.tables.has(name)) ?? null;
    // Else the whole log would be searched for entries that can't be served.
    if (tables?.length === 0) return StatementBatch.of(emptyPage(query, log));
    const page = await readLogPage(manager, client, { ...query, tables, lastSeq: log.lastSeq });
    const known = page.records.flatMap((records) => {
      const table = contract.tables.get(records.table);
      return table ? { ...records, table } : [];
    });
    const all = known.filter(({ standing }) => standing === Standing.member);
    const gone = parentsFirst(known.flatMap(goneRecords));
    const { buckets } = page;
    const { lists: members, redeliveries } = careful
      ? await this.unreadable.leaveOut(manager, all, this.optionsFor(all, buckets))
      : { lists: all, redeliveries: [] };
    const toPage = ({ changes, end, toRedeliver }: Changes, back: ReadonlySet<GoneRecord>): PullPage => ({
      changes,
      deletes: before(end, gone)
        .filter((record) => !back.has(record))
        .map(({ id, table: { table } }) => ({ id, table: table.name })),
      redeliveries: [...toRedeliver, ...redeliveries, ...withdrawals([...back])],
      checkpoint: nextCheckpoint(query, log, end === null ? page : { lastSeq: end - 1n, hasMore: true }),
      hasMore: page.hasMore || end !== null,
    });
    if (members.length <= 1 && !gone.some((record) => this.mayBeBack(record))) {
      const statements = this.hydrator.statements(manager, members, this.optionsFor(members, buckets));
      return new StatementBatch(statements, (rows) =>
        toPage(changesOf(members, rows.map(toHydrated)), new Set()),
      );
    }
    const changes = await this.changes(manager, members, buckets);
    const back = await this.findBack(manager, before(changes.end, gone), buckets, careful);
    return StatementBatch.of(toPage(changes, back));
  }

  /** The changes of several lists: where one ends, as its budget does, the others have to end, too. */
  private async changes(
    manager: EntityManager,
    members: readonly TableRecords[],
    buckets: readonly string[],
  ): Promise<Changes> {
    const options = this.optionsFor(members, buckets);
    const whole = changesOf(members, await this.hydrator.hydrate(manager, members, options));
    const { end } = whole;
    if (end === null) return whole;
    const served = members.map((each) => ({
      ...each,
      length: parseSeqs(each.seqs).filter((seq) => seq < end).length,
    }));
    return { ...changesOf(members, await this.hydrator.hydrate(manager, served, options)), end };
  }

  private optionsFor(members: readonly TableRecords[], buckets: readonly string[]): HydrateOptions {
    const depths = groupBy(members, ({ table: { table } }) => table.depth);
    const apart = ({ table: { table } }: Pick<TableRecords, 'table'>): boolean =>
      (depths.get(table.depth)?.length ?? 0) > 1;
    return { buckets, maxBytes: this.settings.maxPageBytes, apart };
  }

  /**
   * Deleted records that exist again by now, undeleted or created once more: their deletes are left out, and the
   * entries that bring them back follow. The device may know that version of the row already, and would skip it after
   * the delete. Where the rule is not repeated, a row that exists may be another user's.
   */
  private async findBack(
    manager: EntityManager,
    gone: readonly GoneRecord[],
    buckets: readonly string[],
    careful: boolean,
  ): Promise<ReadonlySet<GoneRecord>> {
    const back = new Set<GoneRecord>();
    const candidates = gone.filter((record) => this.mayBeBack(record));
    for (const [table, records] of groupBy(candidates, (record) => record.table)) {
      const ids = records.map(({ id }) => id);
      const live = await (careful ? this.unreadable : this.hydrator).findLive(manager, table, ids, buckets);
      for (const record of records) if (live.has(record.id)) back.add(record);
    }
    return back;
  }

  /** Another text of a row's id (`withdraw`) is no row's. */
  private mayBeBack({ standing, table, id }: GoneRecord): boolean {
    if (standing === Standing.dead) return true;
    return (
      standing === Standing.noEdges &&
      this.hydrator.repeatsRule(table.table) &&
      recordId(table.primaryKey, id) === id
    );
  }
}

/** The rows as they are now. One that is missing was deleted since its entry was written: another entry will say so. */
interface Changes {
  readonly changes: WireRecords;
  readonly toRedeliver: readonly Redelivery[];
  /** Where the page ends before its time: seq of the first record that the budget has left out. */
  readonly end: bigint | null;
}

type TableRecords = Omit<LoggedRecords, 'table'> & { readonly table: ContractTable };

interface GoneRecord extends Pick<TableRecords, 'table' | 'standing'> {
  readonly id: string;
  readonly seq: bigint;
}

function before(end: bigint | null, records: readonly GoneRecord[]): readonly GoneRecord[] {
  return end === null ? records : records.filter(({ seq }) => seq < end);
}

/** The possible deletes, one by one. */
function goneRecords({ table, standing, ids, seqs }: TableRecords): readonly GoneRecord[] {
  if (standing === Standing.member || standing === Standing.neverServed) return [];
  const parsed = parseSeqs(seqs);
  return (JSON.parse(ids) as string[]).map((id, index) => ({
    table,
    standing,
    id,
    seq: parsed[index] ?? 0n,
  }));
}

function changesOf(lists: readonly TableRecords[], read: readonly Hydrated[]): Changes {
  return {
    changes: inOrder(lists, read),
    toRedeliver: lists.flatMap(({ table }, index) => redeliveriesOf(table, read[index])),
    end: firstCut(lists, read),
  };
}

/** Seq of the first record that the budget has left out; null when there is none. */
function firstCut(lists: readonly TableRecords[], read: readonly Hydrated[]): bigint | null {
  const cuts = lists.flatMap(({ seqs }, index) => {
    const cut = read[index]?.cut ?? null;
    return cut === null ? [] : (parseSeqs(seqs)[cut - 1] ?? []);
  });
  return cuts.reduce<bigint | null>((first, seq) => (first === null || seq < first ? seq : first), null);
}

function inOrder(lists: readonly TableRecords[], read: readonly Hydrated[]): WireRecords {
  const [only] = read;
  if (only && read.length === 1) return joined(only.pieces);
  const placed = lists.flatMap(({ table, seqs }, index) => {
    const parsed = parseSeqs(seqs);
    return (read[index]?.pieces ?? []).map((piece) => ({
      ...piece,
      table,
      seq: parsed[piece.place - 1] ?? 0n,
    }));
  });
  return joined(parentsFirst(placed));
}

/** The order of the log, but parents before their children (hazard W-PULL-11). */
function parentsFirst<Each extends { readonly table: ContractTable; readonly seq: bigint }>(
  records: readonly Each[],
): readonly Each[] {
  return records.toSorted((a, b) => a.table.table.depth - b.table.table.depth || (a.seq < b.seq ? -1 : 1));
}

/** The entries that bring these back may come to a bucket that the user has left by then. */
function withdrawals(records: readonly GoneRecord[]): readonly Redelivery[] {
  const byTable = groupBy(records, ({ table: { table } }) => table.name);
  return [...byTable].map(([table, group]) => ({
    kind: 'withdraw',
    table,
    recordIds: group.map(({ id }) => id),
  }));
}
