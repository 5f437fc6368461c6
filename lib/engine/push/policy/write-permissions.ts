import type { EntityManager } from 'typeorm';
import { groupBy } from '../../../common/collections.js';
import { Turns } from '../../../common/pieces.js';
import { describeError, stackOf } from '../../../common/describe-error.js';
import type { SyncLogger } from '../../../common/sync-logger.js';
import type { RoleSwitch } from '../../../database/role-switch.js';
import type { SyncRegistry } from '../../../registry/sync-registry.js';
import type { SyncTable } from '../../../registry/sync-table.js';
import type { WriteAnswer, WriteRequest } from '../../../resolvers/write-policy.js';
import type { FailureBudget } from '../failures/failure-budget.js';
import type { PushContext, PushItem, PushResult, StoredRow } from '../push-change.js';
import type { PushRows } from '../sql/push-rows.js';
import { reverted } from '../verdicts.js';
import { HostCode } from '../writing/host-code.js';
import type { Write } from '../writing/judge.js';
import { grantedBy } from './answers.js';
import type { Permission } from './granted.js';
import { allowedByRule, readsWanted } from './by-rule.js';
import { childRequest, createRequest, ownRequest } from './write-request.js';

/** Asks the host's `WritePolicy` about changes, in tables where it decides. */
export class WritePermissions {
  private readonly code: HostCode;

  constructor(
    private readonly manager: EntityManager,
    roles: RoleSwitch,
    private readonly registry: SyncRegistry,
    private readonly context: PushContext,
    private readonly logger: SyncLogger,
  ) {
    this.code = new HostCode(manager, roles, 'synchro_policy', context.isRerun === true);
  }

  /**
   * Asks about changes of different records, whose rows are locked: rows that the user sees, and new ones. The answer
   * leaves out changes that the rule in SQL decides, records that don't exist for the user, and creates that miss their
   * parent.
   *
   * @throws errors that no policy has caused: the whole transaction is to be tried again
   */
  async ask(
    items: readonly PushItem[],
    rows: PushRows,
    budget: FailureBudget,
  ): Promise<ReadonlyMap<PushItem, Permission>> {
    const permissions = new Map<PushItem, Permission>();
    const decided = items.flatMap((item) => {
      const decider = this.deciderOf(item, rows.get(item));
      if (decider && isThere(item, rows)) return { item, decider };
      if (decider && this.isBlind) permissions.set(item, 'postponed');
      return [];
    });
    for (const [decider, group] of groupBy(decided, (each) => each.decider)) {
      const found = await this.requests(
        decider,
        group.map(({ item }) => item),
        rows,
      );
      const asked = await this.byRule(found, decider);
      for (const [index, permission] of (await this.permissions(decider, asked, budget)).entries()) {
        const question = asked[index];
        if (question) permissions.set(question.item, permission);
      }
      for (const { item } of group)
        if (!permissions.has(item)) permissions.set(item, refused(item, rows.get(item)));
    }
    await this.code.close();
    return permissions;
  }

  /** Whether the change needs no further answer. A create that missed its parent does, before it is written. */
  isDecided({ item, row, granted }: Pick<Write, 'item' | 'granted'> & Partial<Write>): boolean {
    return granted !== null || this.deciderOf(item, row) === null;
  }

  /** Whether the log is outdated: nothing shows which rows the user sees, and no edit is refused for that. */
  private get isBlind(): boolean {
    const { buckets, subscriptions = [] } = this.context;
    return buckets.length === 0 && subscriptions.length > 0;
  }

  /** The table whose policy decides about the change; null: the rule in SQL does. */
  private deciderOf({ table: { table }, parentId }: PushItem, row: StoredRow | undefined): SyncTable | null {
    const { authority } = this.context;
    if (!authority) return null;
    return row ? authority.decider(table) : authority.deciderOfCreate(table, parentId !== null);
  }

  /** The questions about the changes whose deciding rows the user sees. */
  private async requests(
    decider: SyncTable,
    items: readonly PushItem[],
    rows: PushRows,
  ): Promise<readonly Asked[]> {
    const above = new Map<PushItem, StoredRow>();
    const needing = items.filter((item) => item.table.table !== decider || isUnderParent(item, rows));
    for (const [name, group] of groupBy(needing, ({ table: { table } }) =>
      table === decider ? table.parent : decider.name,
    )) {
      if (name === null) continue;
      for (const [item, row] of await rows.ancestors(group, this.registry.get(name))) above.set(item, row);
    }
    const asked: Asked[] = [];
    const turns = new Turns();
    for (const item of items) {
      // Rows of megabytes are parsed, and there may be thousands.
      if (turns.isOver) await turns.next();
      const row = rows.get(item);
      const ancestor = above.get(item);
      const isInherited = item.table.table !== decider;
      if (ancestor === undefined && (isInherited || isUnderParent(item, rows))) continue;
      const request =
        isInherited && ancestor
          ? childRequest(item, row, ancestor)
          : row
            ? ownRequest(item, row)
            : createRequest(item, ancestor ?? null, this.context);
      asked.push({ item, row, request });
    }
    return asked;
  }

  /** Adds the answer of the rule in SQL about the wanted rows. A row that PostgreSQL can't read is not allowed. */
  private async byRule(asked: readonly Asked[], decider: SyncTable): Promise<readonly Asked[]> {
    if (!readsWanted(decider)) return asked;
    const own = asked.filter(({ request }) => request.child === null && request.byDefault);
    const [first] = own;
    if (!first) return asked;
    const requests = own.map(({ request }) => request);
    const answer = await this.code.run(() =>
      allowedByRule(this.manager, first.item.table, this.context.userId, requests),
    );
    const within = 'value' in answer ? answer.value : new Set();
    return asked.map((each) =>
      each.request.child !== null || within.has(each.request)
        ? each
        : { ...each, request: { ...each.request, byDefault: false } },
    );
  }

  /** Halves a question that fails, until the change that makes it fail stands alone. */
  private async permissions(
    decider: SyncTable,
    asked: readonly Asked[],
    budget: FailureBudget,
  ): Promise<readonly Permission[]> {
    const [first] = asked;
    if (!first) return [];
    const answer = await this.code.run(() => this.decide(decider, asked));
    if ('value' in answer) return answer.value;
    budget.spend();
    if (asked.length === 1) {
      budget.find();
      this.logger.error('a write policy failed', {
        table: decider.name,
        recordId: first.request.recordId,
        error: describeError(answer.error),
        stack: stackOf(answer.error),
      });
      return [answer];
    }
    if (budget.splitsNoMore) return asked.map(() => 'postponed');
    const middle = Math.ceil(asked.length / 2);
    return [
      ...(await this.permissions(decider, asked.slice(0, middle), budget)),
      ...(await this.permissions(decider, asked.slice(middle), budget)),
    ];
  }

  private async decide(decider: SyncTable, asked: readonly Asked[]): Promise<readonly Permission[]> {
    const { authority, userId, clientId } = this.context;
    const changes = asked.map(({ request }) => request);
    const question = { table: decider.name, userId, clientId, changes };
    const answers: readonly WriteAnswer[] = (await authority?.policy.decide(question, this.manager)) ?? [];
    if (!Array.isArray(answers) || answers.length !== asked.length)
      throw new TypeError(`it has to answer each of ${asked.length} changes of ${decider.name}`);
    return asked.map(({ item, row, request }, index) => {
      const granted = grantedBy(answers[index], item.table, request);
      if (granted === false) return refused(item, row);
      return 'reason' in granted ? reverted(item, row, granted.reason, granted.message) : granted;
    });
  }
}

interface Asked {
  readonly item: PushItem;
  readonly row: StoredRow | undefined;
  readonly request: WriteRequest;
}

/** Whether the change can be asked about: its row is seen and locked, or it is new and the parent that it names exists. */
function isThere(item: PushItem, rows: PushRows): boolean {
  if (rows.get(item)) return rows.isSecured(item);
  return item.operation === 'create' && (item.parentId === null || rows.hasParent(item));
}

function isUnderParent(item: PushItem, rows: PushRows): boolean {
  return rows.get(item) === undefined && item.parentId !== null;
}

/** Refuses a change; the device goes back to the server's version of a row that its user sees. */
function refused(item: PushItem, row: StoredRow | undefined): PushResult {
  return reverted(item, row, 'ownership_violation', 'not allowed to write this record');
}
