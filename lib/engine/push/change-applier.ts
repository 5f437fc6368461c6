import { Inject, Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { inTurns } from '../../common/pieces.js';
import { SyncLogger } from '../../common/sync-logger.js';
import type { AcceptedRecord, ConflictEvent } from '../../settings/hook-events.js';
import { HookRunner } from '../../hooks/hook-runner.js';
import { SyncRegistry } from '../../registry/sync-registry.js';
import { isSeenByDefaultRule, isSeenByOwner } from '../../resolvers/default-rule.js';
import { PushRules } from '../../resolvers/push-rules.js';
import { WriteAuthority } from '../../resolvers/write-authority.js';
import type { StatementBatch } from '../../database/pipeline.js';
import { RoleSwitch } from '../../database/role-switch.js';
import type { SqlRunner } from '../../database/session.js';
import { SYNCHRO_OPTIONS } from '../../settings/synchro.options.js';
import type { SynchroSettings } from '../../settings/synchro.settings.js';
import { ContractNotLoadedError } from '../request/contract-not-loaded.error.js';
import type { Redelivery } from '../rows/redelivery.js';
import { ChangeTries } from './failures/change-tries.js';
import { type CheckScope, checkChanges } from './check-change.js';
import { type Corrections, corrections, type Pushed, withdrawals } from './corrections.js';
import { Judge } from './writing/judge.js';
import { Parking } from './parking/parking.js';
import { WritePermissions } from './policy/write-permissions.js';
import type { PushChange, PushContext, PushItem, PushResult } from './push-change.js';
import { type OpenedPush, pushOpening } from './push-opening.js';
import { PushSession } from './writing/push-session.js';
import { numberToken } from './values/numbers.js';
import { type GivenUp, type PushProgress, type PushTransactions, SplitPush } from './failures/split-push.js';
import { refOf, retryable, terminal, tooMany, withinBytes } from './verdicts.js';
import { WriteValidation } from './writing/write-validation.js';

export interface AppliedPush {
  /** One verdict for each change, in the order of the changes. */
  readonly results: readonly PushResult[];
  readonly conflicts: readonly ConflictEvent[];
  /** Corrections that devices still need, see {@link corrections}. */
  readonly corrections: Corrections;
  /** Written rows that may leave their owner's sight, as ids to withdraw. */
  readonly shared: readonly Redelivery[];
}

/** Applies the changes of one push (docs/internals/architecture.md#walk-1-a-pushed-change). */
@Injectable()
export class ChangeApplier {
  private readonly logger: SyncLogger;

  constructor(
    private readonly registry: SyncRegistry,
    private readonly rules: PushRules,
    @Inject(SYNCHRO_OPTIONS)
    private readonly options: Pick<
      SynchroSettings,
      | 'clockSkewTolerance'
      | 'limits'
      | 'logger'
      | 'maxPageBytes'
      | 'maxPushChanges'
      | 'pushRole'
      | 'refusedCreates'
    >,
    private readonly hooks: HookRunner,
  ) {
    this.logger = new SyncLogger(options.logger, 'SynchroPush');
  }

  /**
   * Runs in a READ COMMITTED transaction under `TEXT_SETTINGS`. One bad change never costs another one its place.
   *
   * @param opened what its {@link opening} has brought
   * @param progress is told how far it has come
   * @throws what `onPushAccepted` throws
   * @throws ParkingBusyError roll back, and run it again
   * @throws ContractNotLoadedError the same: DDL came between, by which a value is refused that may be right
   * @throws what is no fault of a change's (serialization failures, deadlocks, lost connections, cancelled
   *   statements): roll back, and try the whole transaction again
   */
  async apply(
    manager: EntityManager,
    caller: PushContext,
    changes: readonly PushChange[],
    opened: OpenedPush,
    progress: PushProgress = { stage: 'opening' },
  ): Promise<AppliedPush> {
    progress.stage = 'changes';
    const authority = new WriteAuthority(this.registry, this.rules.policy);
    const context: PushContext = {
      ...caller,
      isSeenByDefaultRule: (table) => isSeenByDefaultRule(this.rules.ownership, this.registry, table),
      authority,
    };
    const roles = this.rolesOf(manager, opened);
    const scope = this.scopeOf(context, opened);
    const checked = await checkChanges(this.taken(changes), scope);
    const parking = new Parking(roles.sync, context, scope, opened, this.logger);
    const validation = new WriteValidation(manager, roles, this.hooks, context, this.logger);
    const judge = new Judge(this.rules.conflicts, manager, roles, context, this.logger);
    const permissions = new WritePermissions(manager, roles, this.registry, context, this.logger);
    const tries = new ChangeTries(roles.sync, context, this.logger);
    const tools = { roles, registry: this.registry, context, permissions, judge, parking, validation };
    const session = new PushSession(tools, tries, this.logger);
    const items = checked.filter(isItem);
    const verdicts = await session.apply(items);
    const all = checked.map((result) => (isItem(result) ? verdictOf(verdicts, result) : result));
    const results = await inTurns(withinBytes(all, this.options.maxPageBytes));
    if (opened.hasFailed) await tries.forget(session.accepted().map(({ change }) => change));
    await roles.leave();
    if (all.some(isInvalid) && (await context.isContractChanged?.())) throw new ContractNotLoadedError();
    const surplus = changes.slice(this.limit).map(tooMany);
    const { userId, clientId } = context;
    const accepted = session.accepted();
    progress.stage = 'hooks';
    if (accepted.length > 0) {
      const event = { manager, userId, clientId, accepted: accepted.map(acceptedRecord) };
      await this.hooks.pushAccepted(event);
    }
    const pushed = { results, items, accepted, ...session.unrepaired() };
    return {
      results: [...results, ...surplus],
      conflicts: session.conflicts(),
      corrections: this.corrections(context, pushed),
      shared: withdrawals(
        accepted.filter(
          ({ table: { table } }) =>
            authority.locksBySight(table) || !isSeenByOwner(this.rules.ownership, this.registry, table),
        ),
      ),
    };
  }

  /** The verdicts on changes that make their transaction fail. Of those that are refused for good, what was typed is kept. */
  async giveUp(
    manager: EntityManager,
    context: Pick<PushContext, 'userId' | 'clientId' | 'contract'>,
    changes: readonly PushChange[],
    opened: OpenedPush,
    { error, isFinal }: GivenUp,
  ): Promise<AppliedPush> {
    const roles = this.rolesOf(manager, opened);
    const tries = new ChangeTries(roles.sync, context, this.logger);
    if (isFinal) await tries.refuse(changes.map((change) => ({ change, error })));
    await roles.leave();
    const verdict = isFinal ? terminal : retryable;
    const results = changes.map((change) =>
      verdict(refOf(change, numberToken(change.id)), 'internal_error', 'internal error'),
    );
    const pushed = { results, items: [], accepted: [], unwritten: [], hidden: [] };
    return { results, conflicts: [], corrections: this.corrections(context, pushed), shared: [] };
  }

  private corrections(
    { contract, userId }: Pick<PushContext, 'userId' | 'contract'>,
    pushed: Pushed,
  ): Corrections {
    const { refusedCreates } = this.options;
    return corrections(contract, pushed, { userId, refusedCreates });
  }

  /** A push whose transactions are tried in parts where they fail. */
  split<Part>(
    sql: SqlRunner,
    caller: Pick<PushContext, 'userId' | 'clientId'>,
    transactions: PushTransactions<Part>,
  ): SplitPush<Part> {
    return new SplitPush(sql, this.limit, caller, transactions, this.logger);
  }

  /** A create in a table that has children. */
  private mayBringParent({ operation, table_name: table }: PushChange): boolean {
    return operation === 'create' && typeof table === 'string' && this.registry.children(table).length > 0;
  }

  private taken(changes: readonly PushChange[]): readonly PushChange[] {
    return changes.slice(0, this.limit);
  }

  private get limit(): number {
    return this.options.maxPushChanges;
  }

  /**
   * The statements that a push begins with.
   * @param isRerun an earlier run lost a race. It doesn't lose that one over the parked rows again
   */
  opening(
    manager: EntityManager,
    userId: string,
    changes: readonly PushChange[],
    isRerun: boolean,
  ): StatementBatch<OpenedPush> {
    const locked = isRerun || this.taken(changes).some((change) => this.mayBringParent(change));
    return pushOpening(manager, userId, { locked, pushRole: this.options.pushRole });
  }

  /** The transaction is in the push's role by now. */
  private rolesOf(manager: EntityManager, { ownRole }: OpenedPush): RoleSwitch {
    const { pushRole } = this.options;
    if (pushRole === undefined) return new RoleSwitch(manager);
    return new RoleSwitch(manager, { push: pushRole, own: ownRole }, 'push');
  }

  private scopeOf({ contract }: PushContext, { now }: OpenedPush): CheckScope {
    const { nesting, bodyValues: values } = this.options.limits;
    const latest = now + BigInt(this.options.clockSkewTolerance) * 1000n;
    return { contract, now, latest, bounds: { nesting, values } };
  }
}

function isItem(checked: PushItem | PushResult): checked is PushItem {
  return 'ref' in checked;
}

/** Refused for a value: a label of an enum that is renamed meanwhile is another one by now (hazard W-HOST-24). */
function isInvalid({ reason_code: reason }: PushResult): boolean {
  return reason === 'invalid_data';
}

function acceptedRecord({ table, id, operation }: PushItem): AcceptedRecord {
  return { table: table.table.name, recordId: id, operation };
}

function verdictOf(verdicts: ReadonlyMap<number, PushResult>, item: PushItem): PushResult {
  return verdicts.get(item.index) ?? retryable(item.ref, 'internal_error', 'internal error');
}
