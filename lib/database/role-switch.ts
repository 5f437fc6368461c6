import type { EntityManager } from 'typeorm';
import { quoteIdentifier } from '../common/identifiers.js';
import { StatementBatch } from './pipeline.js';
import type { SqlRunner } from './session.js';
import { prepared } from './statement.js';

/** The roles of one transaction. */
export interface Roles {
  /** Reads and writes the host's tables. */
  readonly push: string;
  /** The connection's own, as `current_setting('role')` tells it: `none` if it never was set. */
  readonly own: string;
}

/**
 * One transaction in two roles: statements on the host's tables run as the one that row-level security binds, those on
 * sync's own tables, and whatever comes after, as the connection's own. Without roles it switches nothing.
 *
 * The switch is local to the transaction. It waits until a statement needs it, and travels with a savepoint's commands
 * where it can. It never takes place inside a savepoint, so a rollback to one leaves the role as it was.
 */
export class RoleSwitch {
  /** Runs what reads and writes the host's tables. */
  readonly host: SqlRunner = this.runner('push');
  /** Runs what reads and writes sync's own tables. */
  readonly sync: SqlRunner = this.runner('own');

  /** @param current the role that the transaction is in */
  constructor(
    private readonly manager: EntityManager,
    private readonly roles: Roles | null = null,
    private current: keyof Roles = 'own',
  ) {}

  /** Runs commands on the host's behalf that take no parameters, and goes to `then` in the same round trip. */
  async command(sql: string, then: keyof Roles = 'push'): Promise<void> {
    const before = this.current === 'push' ? [] : this.switchSql('push');
    const after = then === 'push' ? [] : this.switchSql(then);
    await this.manager.query([...before, sql, ...after].join('; '));
    this.current = then;
  }

  /** Runs statements on the host's behalf, and goes to `then`, in a single round trip. */
  async together<Result>(
    { statements, resultOf }: StatementBatch<Result>,
    then: keyof Roles = 'push',
  ): Promise<Result> {
    const before = this.current === 'push' ? [] : this.switchSql('push');
    const after = then === 'push' ? [] : this.switchSql(then);
    this.current = 'push';
    const own = statements.map((each) => (each.parameters ? prepared(this.manager, each) : each));
    const { result } = await StatementBatch.together<{ before: void; result: Result; after: void }>({
      before: StatementBatch.silent(before.map((sql) => ({ sql }))),
      result: new StatementBatch(own, resultOf),
      after: StatementBatch.silent(after.map((sql) => ({ sql }))),
    }).run(this.manager);
    this.current = then;
    return result;
  }

  /** Back to the connection's own role. */
  async leave(): Promise<void> {
    await this.go('own');
  }

  private runner(role: keyof Roles): SqlRunner {
    return {
      query: async <Result>(sql: string, parameters?: unknown[]): Promise<Result> => {
        await this.go(role);
        return this.manager.query(sql, parameters);
      },
    };
  }

  private async go(role: keyof Roles): Promise<void> {
    if (this.current === role) return;
    for (const sql of this.switchSql(role)) await this.manager.query(sql);
    this.current = role;
  }

  private switchSql(role: keyof Roles): readonly string[] {
    if (!this.roles) return [];
    const name = this.roles[role];
    return [`SET LOCAL ROLE ${role === 'own' && name === 'none' ? 'NONE' : quoteIdentifier(name)}`];
  }
}
