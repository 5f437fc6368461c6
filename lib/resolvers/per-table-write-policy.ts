import type { EntityManager } from 'typeorm';
import { type WriteAnswer, WritePolicy, type WriteQuestion } from './write-policy.js';

/**
 * Gives tables policies of their own; all others have the fallback:
 *
 * ```ts
 * {
 *   provide: WritePolicy,
 *   inject: [ListPolicy, OwnerWritePolicy],
 *   useFactory: (lists: ListPolicy, owners: OwnerWritePolicy) => new PerTableWritePolicy({ lists }, owners),
 * }
 * ```
 *
 * A table that is left to an `OwnerWritePolicy`, and has no owner column, inherits from its parent: its rows are written
 * by the users who may update the parent's.
 */
export class PerTableWritePolicy extends WritePolicy {
  private readonly policies: ReadonlyMap<string, WritePolicy>;

  /**
   * @param policies by the wire name of the table; a name that is no synced table's is refused at start
   * @param fallback for all other tables
   */
  constructor(
    policies: Readonly<Record<string, WritePolicy>>,
    private readonly fallback: WritePolicy,
  ) {
    super();
    this.policies = new Map(Object.entries(policies));
  }

  /** The tables that have a policy of their own. */
  get tables(): readonly string[] {
    return [...this.policies.keys()];
  }

  policyOf(table: string): WritePolicy {
    return this.policies.get(table) ?? this.fallback;
  }

  /** Those that it asks. */
  get all(): readonly WritePolicy[] {
    return [...this.policies.values(), this.fallback];
  }

  override decide(
    question: WriteQuestion,
    manager: EntityManager,
  ): readonly WriteAnswer[] | Promise<readonly WriteAnswer[]> {
    return this.policyOf(question.table).decide(question, manager);
  }
}
