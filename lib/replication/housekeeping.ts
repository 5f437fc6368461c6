import type { ClientBase } from 'pg';
import type { SyncRegistry } from '../registry/sync-registry.js';
import type { MembershipApplier } from './membership-applier.js';
import { applyRequest } from './requests.js';
import { DUE, retryFailures } from './rule-failures.js';
import { applySubscriptionChanges } from './subscription-changes.js';
import type { WalReader } from './wal-reader.js';

export interface HousekeepingOptions {
  readonly client: ClientBase;
  readonly reader: WalReader;
  readonly registry: SyncRegistry;
  readonly applier: MembershipApplier;
  /** That the publication is still the one that the session began with. */
  readonly checkPublication: () => Promise<void>;
  readonly maxSubscriptionRows: number;
}

/**
 * What the consumer does between source transactions because others have asked for it: changed subscriptions,
 * requests, rule failures that are due.
 */
export class Housekeeping {
  private readonly tables: readonly string[];

  constructor(private readonly options: HousekeepingOptions) {
    this.tables = options.registry.all().map(({ name }) => name);
  }

  /**
   * Does a bounded piece of it.
   * @throws SynchroError when the publication was changed meanwhile: the stream may have missed something
   * @returns `more`: there may be more of it; `blocked`: a source transaction has to be finished first
   */
  async run(): Promise<'done' | 'more' | 'blocked'> {
    const { client, reader, registry, applier, maxSubscriptionRows } = this.options;
    await this.options.checkPublication();
    const { rows } = await client.query<Waiting>(
      `SELECT EXISTS (SELECT FROM sync_subscription_changes) AS subscriptions,
              EXISTS (SELECT FROM sync_requests WHERE table_name = ANY($1::text[])) AS requests,
              $2 AND EXISTS (SELECT FROM sync_rule_failures WHERE ${DUE}) AS failures`,
      [this.tables, applier.open.failures],
    );
    const { subscriptions = false, requests = false, failures = false } = rows[0] ?? {};
    if (!subscriptions && !requests && !failures) return 'done';
    const done = await reader.between(async (tx) => {
      if (subscriptions) await applySubscriptionChanges(tx, maxSubscriptionRows);
      if (requests) await applyRequest(tx, registry, applier);
      if (failures) applier.open.failures = await retryFailures(tx, registry, applier);
    });
    return done ? 'more' : 'blocked';
  }
}

interface Waiting {
  readonly subscriptions: boolean;
  readonly requests: boolean;
  readonly failures: boolean;
}
