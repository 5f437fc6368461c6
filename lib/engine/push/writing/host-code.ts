import type { EntityManager } from 'typeorm';
import { isRetryable } from '../../../database/database-error.js';
import { asHost } from '../../../database/query-log/query-log.js';
import type { RoleSwitch } from '../../../database/role-switch.js';
import { sqlState } from '../sql/sqlstate.js';

/** The result of the host's code. */
export type HostAnswer<Value> = { readonly value: Value } | FailedCode;

export interface FailedCode {
  readonly error: unknown;
}

/**
 * Runs code of the host's that may query in the push's transaction, within a savepoint: when that fails in SQL it costs
 * no other record its place.
 */
export class HostCode {
  private isOpen = false;

  /**
   * @param savepoint its name; null: the code is none of the host's, and never queries
   * @param isRerun a race that is lost again is this code's
   */
  constructor(
    private readonly manager: EntityManager,
    private readonly roles: RoleSwitch,
    private readonly savepoint: string | null,
    private readonly isRerun: boolean,
  ) {}

  /**
   * Code that finds the transaction aborted is run once more: other code before it may have swallowed an error.
   * @throws what is no fault of the code's: the whole transaction is to be tried again
   */
  async run<Value>(code: () => Value | Promise<Value>, mayRepeat = true): Promise<HostAnswer<Value>> {
    await this.open();
    try {
      return { value: await asHost(this.manager, code) };
    } catch (error) {
      // Of the database's alone: a service of the host's that is down concerns this record, not the push.
      if (!this.isRerun && sqlState(error) !== null && isRetryable(error)) throw error;
      await this.undo();
      return mayRepeat && sqlState(error) === IN_FAILED_TRANSACTION ? this.run(code, false) : { error };
    }
  }

  /** Ends the savepoint, before anything of ours is written. */
  async close(): Promise<void> {
    if (!this.isOpen) return;
    this.isOpen = false;
    try {
      await this.manager.query(`RELEASE SAVEPOINT ${this.savepoint}`);
    } catch (error) {
      if (sqlState(error) !== IN_FAILED_TRANSACTION) throw error;
      await this.undo();
    }
  }

  private async open(): Promise<void> {
    if (this.isOpen || this.savepoint === null) return;
    // Outside of the savepoint, so that it holds after a rollback, too: the code is the host's own.
    await this.roles.leave();
    await this.manager.query(`SAVEPOINT ${this.savepoint}`);
    this.isOpen = true;
  }

  private async undo(): Promise<void> {
    if (this.savepoint === null) return;
    await this.manager.query(`ROLLBACK TO SAVEPOINT ${this.savepoint}`);
  }
}

const IN_FAILED_TRANSACTION = '25P02';
