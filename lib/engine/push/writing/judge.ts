import type { EntityManager } from 'typeorm';
import { describeError, stackOf } from '../../../common/describe-error.js';
import type { SyncLogger } from '../../../common/sync-logger.js';
import type { ConflictEvent } from '../../../settings/hook-events.js';
import type { ConflictResolver } from '../../../resolvers/conflict-resolver.js';
import type { Conflict, Resolution } from '../../../settings/conflict.js';
import { isOfHost } from '../../../resolvers/own-conflict-rule.js';
import type { ContractColumn } from '../../../schema/schema-contract.js';
import type { RoleSwitch } from '../../../database/role-switch.js';
import { clientTime, NOT_FOUND } from '../check-change.js';
import type { Granted } from '../policy/granted.js';
import { type FailedCode, type HostAnswer, HostCode } from './host-code.js';
import { lengthProblem } from '../values/length-problem.js';
import {
  isRemoval,
  type PushContext,
  type PushItem,
  type PushResult,
  type StoredRow,
} from '../push-change.js';
import { recordId } from '../values/record-id.js';
import { repairTime } from '../repair-time.js';
import { isBase } from '../failures/retries.js';
import { alreadyDeleted, applied, conflict, invalidData, reverted, terminal } from '../verdicts.js';
import { createColumns, needsRepair, updateColumns } from '../values/writable-columns.js';

/** The write for one change. */
export interface Write {
  readonly item: PushItem;
  readonly kind: 'insert' | 'update' | 'undelete' | 'delete';
  readonly columns: readonly ContractColumn[];
  /** The row before; undefined for an insert. */
  readonly row: StoredRow | undefined;
  /** The grant of a policy of the host's; null where the rule in SQL decides. */
  readonly granted: Granted | null;
}

/** A write, a verdict, or what the host's resolver threw. */
export type Decision = Write | PushResult | FailedCode;

/**
 * Decides about single changes by the rows that there are (docs/protocol.md#reasons, with the corrections of the
 * hazards).
 */
export class Judge {
  /** Changes without anything to write, though their devices hold something else than the rows. */
  readonly unwritten: PushItem[] = [];
  private readonly byItem = new Map<number, ConflictEvent>();
  private readonly code: HostCode;

  constructor(
    private readonly resolver: ConflictResolver,
    private readonly manager: EntityManager,
    roles: RoleSwitch,
    private readonly context: PushContext,
    private readonly logger: SyncLogger,
  ) {
    const savepoint = isOfHost(resolver) ? 'synchro_conflict' : null;
    this.code = new HostCode(manager, roles, savepoint, context.isRerun === true);
  }

  /** The true conflicts (W-PUSH-19), each once, in the order of the changes. */
  conflicts(): readonly ConflictEvent[] {
    return [...this.byItem.entries()]
      .toSorted(([a], [b]) => a - b)
      .map(([, resolved]) => resolved)
      .filter(
        ({ conflict, resolution }) =>
          resolution.winner === 'server' || !isBase(conflict.baseVersion, conflict.serverTime),
      );
  }

  /** To be called when no more is to be decided for now. */
  async rest(): Promise<void> {
    await this.code.close();
  }

  /**
   * @param row the record's row as far as the user may see it
   * @param isRetry the row is already as the change wants it to be
   * @param granted the grant of a policy
   */
  async decide(
    item: PushItem,
    row: StoredRow | undefined,
    { isRetry, granted = null }: { readonly isRetry: boolean; readonly granted?: Granted | null },
  ): Promise<Decision> {
    if (!row) {
      if (item.operation !== 'create') return notThere(item, item.operation);
      if (item.table.hasServerKeys) return terminal(item.ref, 'key_is_generated', KEY_IS_GENERATED);
      if (!this.canOwn(item)) return notOwned(item, row);
      const columns = createColumns(item.table, item.data ?? new Map());
      return { item, kind: 'insert', columns, row, granted };
    }
    if (!row.owned) return notOwned(item, row);
    if (item.operation === 'delete') {
      if (row.deletedAt !== null) return alreadyDeleted(item.ref);
      return { item, kind: 'delete', columns: [], row, granted };
    }
    if (item.operation === 'update' && row.deletedAt !== null) {
      return conflict(item, row, 'record_deleted', 'record is deleted');
    }
    return isRetry ? acceptedUnchanged(item, row) : this.resolveConflict(item, row, granted);
  }

  /** An update, or a create of what exists: an INSERT OR REPLACE (W-PUSH-11), or an undelete. */
  private async resolveConflict(item: PushItem, row: StoredRow, granted: Granted | null): Promise<Decision> {
    const { table, data } = item;
    const isUndelete = row.deletedAt !== null;
    const answer = await this.resolve(item, row);
    if ('error' in answer) return answer;
    const { value: resolution } = answer;
    if (resolution.winner === 'server') {
      return item.operation === 'create' && !isUndelete
        ? conflict(item, row, 'record_exists', 'record already exists')
        : conflict(item, row, 'server_won_conflict', resolution.reason);
    }
    if (data === null) return reverted(item, row, ...invalidData(item.unfitColumn));
    const tooLong = lengthProblem(table.table, item.id, data);
    if (tooLong !== null) return reverted(item, row, 'invalid_data', tooLong);
    const columns = updateColumns(table, data);
    const givesAway = (granted?.owner ?? null) !== null;
    if (columns.length === 0 && !isUndelete && !givesAway) {
      if (needsRepair(table, data, row)) this.unwritten.push(item);
      return applied(item.ref);
    }
    return { item, kind: isUndelete ? 'undelete' : 'update', columns, row, granted };
  }

  /** Whether the change becomes a write where there is no row. */
  mayInsert(item: PushItem): boolean {
    return item.operation === 'create' && !item.table.hasServerKeys && this.canOwn(item);
  }

  /** A user id that the owner column can't hold, or prints as another text, owns nothing (interleavings 26). */
  private canOwn({ table: { table, columns } }: PushItem): boolean {
    const owner = columns.find(({ name }) => name === table.ownerColumn);
    const { userId } = this.context;
    return owner === undefined || recordId(owner, userId) === userId;
  }

  private async resolve(item: PushItem, row: StoredRow): Promise<HostAnswer<Resolution>> {
    const question: Conflict = {
      table: item.table.table.name,
      recordId: row.id,
      clientId: this.context.clientId,
      userId: this.context.userId,
      get clientData() {
        return item.dataText();
      },
      serverData: row.data,
      clientTime: clientTime(item),
      serverTime: row.updatedAt ?? '0001-01-01T00:00:00Z',
      baseVersion: item.base,
    };
    const answer = await this.code.run(() => this.ask(question));
    if ('value' in answer) {
      this.byItem.set(item.index, { conflict: question, resolution: answer.value });
      return answer;
    }
    this.logger.error('the conflict resolver failed', {
      table: question.table,
      recordId: question.recordId,
      error: describeError(answer.error),
      stack: stackOf(answer.error),
    });
    return answer;
  }

  private async ask(question: Conflict): Promise<Resolution> {
    const resolution = await this.resolver.resolve(question, this.manager);
    if (['client', 'server'].includes(resolution.winner)) return resolution;
    throw new TypeError(`it answered the winner ${JSON.stringify(resolution.winner)}`);
  }
}

const KEY_IS_GENERATED = 'devices can not create records here: the server gives out their keys';

/** The row is the user's to see, not to write: the device takes its change back (W-PUSH-3). */
export function notOwned(item: PushItem, row: StoredRow | undefined): PushResult {
  return reverted(item, row, 'ownership_violation', 'record belongs to another user');
}

/**
 * There is no row that the user may know of. In a table without a delete time that is what a delete wants, and what the
 * retry of one finds.
 */
export function notThere(item: PushItem, operation: 'update' | 'delete'): PushResult {
  if (isRemoval(item)) return alreadyDeleted(item.ref);
  return terminal(item.ref, 'record_not_found', NOT_FOUND[operation]);
}

/** The change is in the row. Where the row says something else than the device, the device is made to take it over. */
export function acceptedUnchanged(item: PushItem, row: StoredRow): PushResult {
  const isStale = item.data !== null && needsRepair(item.table, item.data, row);
  return applied(item.ref, isStale ? repairTime(row) : serverTimes(row));
}

/** The row's times in the form of an answer. */
export function serverTimes(row: StoredRow): Pick<PushResult, 'server_updated_at'> {
  return row.updatedAt === null ? {} : { server_updated_at: row.updatedAt };
}
