import type { SyncRegistry } from '../registry/sync-registry.js';
import type { SyncTable } from '../registry/sync-table.js';
import { hasOwnWriteRule } from '../store/host-rows/ownership-sql.js';
import { PerTableWritePolicy } from './per-table-write-policy.js';
import { OwnerWritePolicy, type WritePolicy } from './write-policy.js';

/** Which tables' rows a policy of the host's decides about; about all others decides the rule in SQL (`ownedSql`). */
export class WriteAuthority {
  constructor(
    private readonly registry: SyncRegistry,
    readonly policy: WritePolicy,
  ) {}

  /**
   * The table whose policy decides about changes of a table's rows: its own; else, where nothing of its own says who
   * owns a row, the one that its parent has. Null: the rule in SQL decides.
   */
  decider(table: SyncTable): SyncTable | null {
    if (this.hasOwnPolicy(table)) return table;
    return hasOwnWriteRule(table) ? null : this.deciderOfParent(table);
  }

  /** The same for a create: it is written under its parent, also in a table with an owner column. */
  deciderOfCreate(table: SyncTable, hasParent: boolean): SyncTable | null {
    if (this.hasOwnPolicy(table)) return table;
    return hasParent ? this.deciderOfParent(table) : null;
  }

  /** Whether rows are locked that the user sees, instead of those that the rule in SQL gives to the user. */
  locksBySight(table: SyncTable): boolean {
    if (this.decider(table) !== null) return true;
    // Their creates may be allowed under a parent of another user's.
    return this.registry.children(table.name).some((child) => this.hasOwnPolicy(child));
  }

  private deciderOfParent({ parent }: SyncTable): SyncTable | null {
    return parent === null ? null : this.decider(this.registry.get(parent));
  }

  private hasOwnPolicy({ name }: SyncTable): boolean {
    return isOfHost(policyOf(this.policy, name));
  }
}

function policyOf(policy: WritePolicy, table: string): WritePolicy {
  const isPerTable = policy instanceof PerTableWritePolicy && policy.constructor === PerTableWritePolicy;
  return isPerTable ? policyOf(policy.policyOf(table), table) : policy;
}

/** A subclass of ours may say something else. */
function isOfHost(policy: WritePolicy): boolean {
  return policy.constructor !== OwnerWritePolicy;
}
