import type { ClientBase } from 'pg';
import type { SyncRegistry } from '../registry/sync-registry.js';
import { TASK_IS_DUE } from '../store/tasks/consumer-tasks.js';
import { LOG_REACHED_AFTER_LSN } from '../store/changelog/wal-position.js';
import type { MembershipApplier } from './membership/membership-applier.js';
import { applyTasks } from './consumer-tasks.js';
import { retryFailures } from './rule-retries.js';
import { DUE } from './rules/rule-failures.js';
import { applySubscriptionChanges } from './subscription-changes.js';
import type { WalReader } from './stream/wal-reader.js';

export interface HousekeepingOptions {
  readonly client: ClientBase;
  readonly reader: WalReader;
  readonly registry: SyncRegistry;
  readonly applier: MembershipApplier;
  readonly maxSubscriptionRows: number;
}

/**
 * Work between source transactions that other instances left to the consumer: changed subscriptions, tasks, rule
 * failures that are due. It also verifies that the stored position is this writer's.
 */
export class Housekeeping {
  private readonly tables: readonly string[];

  constructor(private readonly options: HousekeepingOptions) {
    this.tables = options.registry.all().map(({ name }) => name);
  }

  /**
   * Does a bounded piece of it.
   * @returns `more`: there may be more of it; `blocked`: the log has to come further first
   */
  async run(): Promise<'done' | 'more' | 'blocked'> {
    const { client, reader, registry, applier, maxSubscriptionRows } = this.options;
    await reader.writer.verify();
    const { rows } = await client.query<Waiting>(
      `SELECT EXISTS (SELECT FROM :sync.sync_subscription_changes WHERE ${LOG_REACHED_AFTER_LSN}) AS subscriptions,
              greatest((SELECT max(after_lsn) FROM :sync.sync_subscription_changes WHERE NOT ${LOG_REACHED_AFTER_LSN}),
                       (SELECT max(after_lsn) FROM :sync.sync_consumer_tasks WHERE NOT ${LOG_REACHED_AFTER_LSN}))::text AS awaited,
              EXISTS (SELECT FROM :sync.sync_consumer_tasks WHERE table_name = ANY($1::text[]) AND ${TASK_IS_DUE}) AS tasks,
              $2 AND EXISTS (SELECT FROM :sync.sync_rule_failures WHERE ${DUE}) AS failures`,
      [this.tables, applier.pending.failures],
    );
    const { subscriptions = false, awaited = null, tasks = false, failures = false } = rows[0] ?? {};
    if (awaited !== null) reader.requestPosition(BigInt(awaited));
    if (!subscriptions && !tasks && !failures) return awaited === null ? 'done' : 'blocked';
    const done = await reader.writer.between(async (tx) => {
      if (subscriptions) await applySubscriptionChanges(tx, maxSubscriptionRows);
      if (tasks) await applyTasks(tx, registry, applier);
      if (failures) applier.updatePending({ failures: await retryFailures(tx, registry, applier) });
    });
    return done ? 'more' : 'blocked';
  }
}

interface Waiting {
  readonly subscriptions: boolean;
  /** How far the log has to be for those that are not due; null: all are. */
  readonly awaited: string | null;
  readonly tasks: boolean;
  readonly failures: boolean;
}
