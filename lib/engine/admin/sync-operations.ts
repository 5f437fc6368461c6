import { Inject, Injectable } from '@nestjs/common';
import type { DataSource, EntityManager } from 'typeorm';
import { canonicalId } from '../../common/canonical-id.js';
import { SynchroError } from '../../common/errors.js';
import { SyncLogger } from '../../common/sync-logger.js';
import { SchemaService } from '../../schema/schema.service.js';
import { SYNC_DATA_SOURCE } from '../../database/data-source.token.js';
import {
  hastenRuleFailures,
  listParkedRows,
  listRefusedChanges,
  listRuleFailures,
  listWaitingRows,
  type ListPage,
  type ParkedRow,
  type RefusedChange,
  type RuleFailure,
  type RuleFailureFilter,
  type WaitingRow,
} from '../../store/tasks/operation-lists.js';
import {
  discardParkedRow,
  findParkedRow,
  lockParkedRows,
  type ParkedKey,
} from '../../store/clients/parked-rows.js';
import { enqueueTask } from '../../store/tasks/consumer-tasks.js';
import { inTransaction } from '../../database/session.js';
import { SYNCHRO_OPTIONS } from '../../settings/synchro.options.js';
import type { SynchroSettings } from '../../settings/synchro.settings.js';
import { parkedChange } from '../push/parking/parked-change.js';
import { SyncEngine } from '../sync-engine.js';

/** Names a parked row. */
export interface ParkedRowKey extends ParkedKey {
  readonly userId: string;
}

/**
 * For operators and their tools: what sync could not do yet, and what can be done about it. Works on any instance;
 * what concerns the changelog is left to the WAL consumer, its only writer.
 */
@Injectable()
export class SyncOperations {
  private readonly logger: SyncLogger;

  constructor(
    @Inject(SYNC_DATA_SOURCE) private readonly dataSource: DataSource,
    @Inject(SYNCHRO_OPTIONS) options: Pick<SynchroSettings, 'logger'>,
    private readonly schemas: SchemaService,
    private readonly engine: SyncEngine,
  ) {
    this.logger = new SyncLogger(options.logger, 'SynchroOperations');
  }

  /** Rows whose bucket rule failed, and parked rows that could not be written; newest first. Default: the open ones. */
  ruleFailures({
    state = 'open',
    ...filter
  }: RuleFailureFilter & ListPage & { readonly state?: 'open' | 'resolved' | 'all' } = {}): Promise<
    readonly RuleFailure[]
  > {
    return this.transaction((manager) => listRuleFailures(manager, state, filter, filter));
  }

  /**
   * Makes failed rules due now instead of at their next retry: all, or those of a table or of some records. Resolves
   * when this is stored; `SyncEngine.caughtUp()` waits until they were tried. For parked rows see {@link
   * retryParkedRow}.
   * @returns the number of failures
   */
  replayRuleFailures(filter: RuleFailureFilter = {}): Promise<number> {
    return this.transaction((manager) => hastenRuleFailures(manager, filter));
  }

  /** Rows that no device gets through their parent yet, as the parent is not there; the oldest first. */
  waitingRows(filter: { readonly table?: string } & ListPage = {}): Promise<readonly WaitingRow[]> {
    return this.transaction((manager) => listWaitingRows(manager, filter, filter));
  }

  /** Creates that devices have pushed and that wait for their parents, all or a user's; the oldest first. */
  parkedRows(
    filter: { readonly userId?: string; readonly table?: string } & ListPage = {},
  ): Promise<readonly ParkedRow[]> {
    const { userId, table } = filter;
    const user = userId === undefined ? {} : { userId: canonicalId(userId) };
    const asked = { ...user, ...(table !== undefined && { table }) };
    return this.transaction((manager) => listParkedRows(manager, asked, filter));
  }

  /** Pushed changes that failed whenever they were tried, so that their devices dropped them, all or a user's; newest first. */
  refusedChanges(
    filter: { readonly userId?: string; readonly table?: string } & ListPage = {},
  ): Promise<readonly RefusedChange[]> {
    const { userId, table } = filter;
    const user = userId === undefined ? {} : { userId: canonicalId(userId) };
    const asked = { ...user, ...(table !== undefined && { table }) };
    return this.transaction((manager) => listRefusedChanges(manager, asked, filter));
  }

  /**
   * Pushes a parked row again in its device's name, e.g. after the host's own code has brought its parent.
   * @returns whether it was written, or has lost against a row that is there; otherwise it stays parked
   * @throws SynchroError `bad_request` when there is no such parked row, `client_not_registered` when its device is gone
   */
  async retryParkedRow(key: ParkedRowKey): Promise<boolean> {
    const userId = canonicalId(key.userId);
    const row = await this.transaction((manager) => findParkedRow(manager, userId, key));
    if (!row) throw unknownRow(key);
    const { version, hash } = await this.schemas.current();
    const { clientId } = row;
    await this.engine.push({ userId, clientId, schema: { version, hash }, changes: [parkedChange(row)] });
    const left = await this.transaction((manager) => findParkedRow(manager, userId, key));
    return left === undefined;
  }

  /**
   * Discards a parked row. Its user was told that it was written, so this loses what they typed: the row is kept as
   * the payload of a resolved row of `sync_rule_failures`. The user's devices drop their copies.
   * @throws SynchroError `bad_request` when there is no such parked row
   */
  async discardParkedRow(key: ParkedRowKey): Promise<void> {
    const { table, recordId } = key;
    const userId = canonicalId(key.userId);
    await this.transaction(async (manager) => {
      await lockParkedRows(manager, userId);
      if (!(await discardParkedRow(manager, userId, key))) throw unknownRow(key);
      await enqueueTask(manager, { kind: 'withdraw', table, recordIds: [recordId], userId });
    });
    this.logger.warn('a parked row was discarded by hand; its content is in sync_rule_failures', {
      table,
      recordId,
      userId,
    });
  }

  private transaction<Result>(work: (manager: EntityManager) => Promise<Result>): Promise<Result> {
    return inTransaction(this.dataSource, 'write', work);
  }
}

function unknownRow({ userId, table, recordId }: ParkedRowKey): SynchroError {
  return new SynchroError('bad_request', `user ${userId} has no parked row ${table}/${recordId}`);
}
