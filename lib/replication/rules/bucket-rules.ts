import { CLIENT_BUCKETS, isReservedBucket } from '../../common/canonical-id.js';
import { SynchroError } from '../../common/errors.js';
import { isTransient } from '../../database/database-error.js';
import { memberBucket } from '../../registry/buckets/members.js';
import type { SqlFunction, SyncTable } from '../../registry/sync-table.js';
import { hasDefaultRule } from '../../resolvers/default-rule.js';
import type { OwnershipResolver } from '../../resolvers/ownership-resolver.js';
import type { ChangelogTransaction } from '../../store/changelog/changelog-transaction.js';
import { bucketFunctionDefinition } from './bucket-function.js';
import { callBucketFunction, type CallLimits, type RuleRow } from './bucket-function-call.js';
import { checkBucketLengths, checkKeyLengths } from '../stream/row-lengths.js';
import { ResolverHealth } from '../resolver-health.js';
import { RuleTimeBudget } from './rule-time-budget.js';

/** A row whose rule failed: it keeps its buckets and is tried again later. */
export interface RuleFailure {
  readonly row: RuleRow;
  readonly error: Error;
}

interface Resolved {
  readonly buckets: readonly (readonly string[] | null)[];
  readonly failures: readonly RuleFailure[];
}

export interface RuleLimits {
  /** Most buckets that a rule may name for one row. */
  readonly buckets: number;
  /** Milliseconds that a rule may take over the rows of a batch; 0: any. */
  readonly time: number;
  /** Reports a slow resolver, repeatedly. JavaScript can't be cancelled. */
  readonly onLate: (what: string) => void;
}

/** The bucket rules of the tables, the host's resolver or a function in SQL, with each failure confined to its row. */
export class BucketRules {
  private readonly health = new ResolverHealth((table, row) => this.callResolver(table, [row]));

  constructor(
    private readonly resolver: OwnershipResolver,
    private readonly limits: RuleLimits,
  ) {}

  /** Whether the default rule says what a table's own buckets are, so that only its columns are needed. */
  isDefault(table: SyncTable): boolean {
    return hasDefaultRule(this.resolver, table);
  }

  /** Names the rule of a table: what changes it must change this text (interleavings 5). */
  async describe(tx: ChangelogTransaction, table: SyncTable): Promise<string> {
    const { schema, bucketByColumn, bucketPrefix, ownerColumn, parent, parentFkColumn } = table;
    const { globalWhenBucketNull, bucketSources, deletedAtColumn, idColumn, bucketFunction } = table;
    const members = memberBucket(table);
    const rule =
      bucketFunction === null
        ? { name: this.resolver.constructor.name, version: this.resolver.version }
        : { name: bucketFunction.text, version: await bucketFunctionDefinition(tx, bucketFunction) };
    return JSON.stringify([
      rule.name,
      { schema, bucketByColumn, bucketPrefix, ownerColumn, parent, parentFkColumn },
      { globalWhenBucketNull, bucketSources, deletedAtColumn, idColumn },
      ...(members === null ? [] : [{ members }]),
      ...(rule.version === undefined ? [] : [rule.version]),
    ]);
  }

  /**
   * @returns the buckets of each row in order (null where the rule failed), and the failures
   * @throws only failures that pass by themselves, such as a lost connection or a resolver that is down: the batch is
   *   then applied again
   */
  async resolve(
    tx: ChangelogTransaction,
    table: SyncTable,
    rows: readonly RuleRow[],
    budget = new RuleTimeBudget(this.limits.time, rows.length),
  ): Promise<Resolved> {
    const [row] = rows;
    if (!row) return { buckets: [], failures: [] };
    const time = budget.share(rows.length);
    if (time === null) return this.notAsked(table, rows);
    try {
      return { buckets: await this.ask(tx, table, rows, time), failures: [] };
    } catch (error) {
      const mayPass = isTransient(error);
      if (mayPass && (await this.isToBeWaitedFor(table, budget))) throw error;
      if (mayPass && rows.length === 1 && budget.retries(row.recordId))
        return this.resolve(tx, table, rows, budget);
      if (rows.length > 1) return this.resolveHalves(tx, table, rows, budget);
      const failure = { row, error: error instanceof Error ? error : new Error(String(error)) };
      return { buckets: [null], failures: [failure] };
    }
  }

  /** Finds the rows that fail among many in few steps. */
  private async resolveHalves(
    tx: ChangelogTransaction,
    table: SyncTable,
    rows: readonly RuleRow[],
    budget: RuleTimeBudget,
  ): Promise<Resolved> {
    const middle = rows.length >> 1;
    const first = await this.resolve(tx, table, rows.slice(0, middle), budget);
    const second = await this.resolve(tx, table, rows.slice(middle), budget);
    return {
      buckets: [...first.buckets, ...second.buckets],
      failures: [...first.failures, ...second.failures],
    };
  }

  /** Asked once for the rows of a batch. */
  private async isToBeWaitedFor(table: SyncTable, budget: RuleTimeBudget): Promise<boolean> {
    if (table.bucketFunction !== null) return true;
    budget.isOfRows ||= !(await this.health.isDown());
    return !budget.isOfRows;
  }

  private notAsked(table: SyncTable, rows: readonly RuleRow[]): Resolved {
    const error = ruleFailed(
      `${this.ruleName(table)} was not called for it: other rows of ${table.name} in the same batch had taken too long`,
      'make the rule faster, or raise replication.ruleTimeout; the row is retried by itself.',
    );
    return { buckets: rows.map(() => null), failures: rows.map((row) => ({ row, error })) };
  }

  private ruleName({ bucketFunction }: SyncTable): string {
    return bucketFunction?.text ?? this.resolver.constructor.name;
  }

  private async ask(
    tx: ChangelogTransaction,
    table: SyncTable,
    rows: readonly RuleRow[],
    time: number,
  ): Promise<readonly (readonly string[])[]> {
    checkKeyLengths(table, rows);
    const { bucketFunction } = table;
    const answers = await (bucketFunction === null
      ? this.askResolver(table, rows)
      : this.askFunction(tx, table, bucketFunction, rows, { buckets: this.limits.buckets, time }));
    const rule = bucketFunction?.text ?? `${this.resolver.constructor.name}.resolveOwners`;
    checkBucketLengths(table, this.isDefault(table) ? null : rule, answers);
    if (answers.some((own) => own.some(isReservedBucket))) {
      throw ruleFailed(
        `${this.ruleName(table)} named a bucket for ${table.name} that begins with ${CLIENT_BUCKETS}, which is reserved for sync itself`,
        'give its buckets another prefix.',
      );
    }
    return answers;
  }

  private async askFunction(
    tx: ChangelogTransaction,
    table: SyncTable,
    bucketFunction: SqlFunction,
    rows: readonly RuleRow[],
    limits: CallLimits,
  ): Promise<readonly (readonly string[])[]> {
    const answers = await callBucketFunction(tx, table, bucketFunction, rows, limits);
    return answers.map(({ count, buckets }, position) => {
      if (buckets === null) throw this.tooMany(bucketFunction.text, table, rows[position], count);
      return buckets;
    });
  }

  private async askResolver(
    table: SyncTable,
    rows: readonly RuleRow[],
  ): Promise<readonly (readonly string[])[]> {
    const method = `${this.resolver.constructor.name}.resolveOwners`;
    const buckets = await this.callResolver(table.name, rows);
    this.health.recordAnswer(table.name, rows);
    if (buckets.length !== rows.length) {
      throw ruleFailed(
        `${method} answered ${buckets.length} bucket lists for ${rows.length} rows of ${table.name}`,
        'return a list of buckets for each row, in the order of the rows.',
      );
    }
    for (const [position, own] of buckets.entries()) {
      if (!own.every((bucket) => typeof bucket === 'string' && bucket !== '')) {
        throw ruleFailed(
          `${method} answered an empty bucket id for ${table.name}`,
          'return an empty list for a row without buckets.',
        );
      }
      const count = own.length > this.limits.buckets ? new Set(own).size : 0;
      if (count > this.limits.buckets) throw this.tooMany(method, table, rows[position], count);
    }
    return buckets;
  }

  private callResolver(table: string, rows: readonly RuleRow[]): Promise<readonly (readonly string[])[]> {
    const { resolver } = this;
    const what = `${resolver.constructor.name}.resolveOwners, asked about ${rows.length} rows of ${table},`;
    return this.watched(what, () => resolver.resolveOwners(table, rows));
  }

  /** Nothing is applied until the resolver answers, so the log has to name it. */
  private async watched<Answer>(what: string, ask: () => Answer | Promise<Answer>): Promise<Answer> {
    const { time, onLate } = this.limits;
    if (time === 0) return ask();
    const began = performance.now();
    const timer = setInterval(() => {
      onLate(`${what} has not answered for ${Math.round(performance.now() - began)} ms`);
    }, time);
    try {
      return await ask();
    } finally {
      clearInterval(timer);
    }
  }

  private tooMany(rule: string, table: SyncTable, row: RuleRow | undefined, count: number): Error {
    return ruleFailed(
      `${rule} answered ${count} buckets for ${table.name} ${row?.recordId}: more than replication.maxBucketsPerRow, ${this.limits.buckets}`,
      'name fewer buckets, such as one for a team instead of one for each member, or raise replication.maxBucketsPerRow.',
    );
  }
}

function ruleFailed(message: string, fix: string): SynchroError {
  return new SynchroError('rule_failed', message, fix);
}
