import type { DataSource, EntityManager } from 'typeorm';
import { isDataError, isLostPlan, isRetryable, isSchemaRace } from '../../database/database-error.js';
import type { SchemaService } from '../../schema/schema.service.js';
import {
  alone,
  type Ending,
  inTransaction,
  type Opened,
  type TransactionOptions,
  type TransactionWork,
} from '../../database/session.js';
import type { Statement } from '../../database/pipeline.js';
import { ContractNotLoadedError } from './contract-not-loaded.error.js';
import { OutdatedLogError } from './outdated-log.error.js';
import { KeyReplacedError } from '../push/writing/key-replaced.error.js';
import { ParkingBusyError } from '../push/parking/parking-busy.error.js';

/** How often a transaction that lost a race is run again before the device is asked to come back. */
const ATTEMPTS = 4;

/** By which a transaction asks for another run of itself. */
const RUN_AGAIN = [ParkingBusyError, KeyReplacedError, OutdatedLogError];

/** `attempt` counts from 1. */
type Work<Result> = (
  manager: EntityManager,
  opened: Opened,
  attempt: number,
) => Promise<Result | Ending<Result>>;

/** `careful`: rows may be there that can't be read. */
type CarefulWork<Result> = (
  manager: EntityManager,
  opened: Opened,
  careful: boolean,
) => Promise<Result | Ending<Result>>;

/** Its first statements, which go out with BEGIN. */
export type Opening = (manager: EntityManager, attempt: number) => readonly Statement[];

export interface RequestSettings {
  readonly statementTimeout?: number;
  readonly preparedStatements?: boolean;
}

/** The transactions of requests, each on one connection of the host's pool; run again where that helps. */
export class RequestTransactions {
  private keepsPlans: boolean;

  constructor(
    private readonly dataSource: DataSource,
    private readonly schemas: SchemaService,
    private readonly settings: RequestSettings,
    /** Whether the host has code that runs in them. */
    private readonly runsHostCode: () => boolean,
  ) {
    this.keepsPlans = settings.preparedStatements ?? true;
  }

  /** Sees one snapshot of the database throughout. */
  read<Result>(work: Work<Result>, opening?: Opening): Promise<Result> {
    return this.run(work, (own, options) => inTransaction(this.dataSource, 'read', own, options), opening);
  }

  /** The same for the host's rows: when it fails for one that it meets, it is run once more, with care. */
  async readRows<Result>(work: CarefulWork<Result>, opening?: Opening): Promise<Result> {
    try {
      return await this.read((manager, opened) => work(manager, opened, false), opening);
    } catch (error) {
      if (!isDataError(error)) throw error;
      return this.read((manager, opened) => work(manager, opened, true), opening);
    }
  }

  write<Result>(work: Work<Result>, opening?: Opening): Promise<Result> {
    return this.run(work, (own, options) => inTransaction(this.dataSource, 'write', own, options), opening);
  }

  /** One statement by itself, for which no transaction is begun. */
  single<Result>(work: (manager: EntityManager) => Promise<Result>): Promise<Result> {
    return this.run(work, (_, options) => alone(this.dataSource, work, options));
  }

  /** Whether a statement by itself may take any time: a limit of its own would need a transaction. */
  get hasSingle(): boolean {
    return this.settings.statementTimeout === undefined;
  }

  private async run<Result>(
    work: Work<Result>,
    transaction: (work: TransactionWork<Result>, options: TransactionOptions) => Promise<Result>,
    opening?: Opening,
  ): Promise<Result> {
    const { statementTimeout } = this.settings;
    for (let attempt = 1; ; attempt++) {
      // What came between the plan and its use may lie in the plan.
      const keepsPlans = this.keepsPlans && attempt === 1;
      const options: TransactionOptions = {
        statementTimeout,
        keepsPlans,
        runsHostCode: this.runsHostCode(),
        ...(opening && { opening: (manager) => opening(manager, attempt) }),
      };
      try {
        return await transaction((manager, opened) => work(manager, opened, attempt), options);
      } catch (error) {
        if (attempt === ATTEMPTS || !(await this.helps(error, attempt, keepsPlans))) throw error;
      }
    }
  }

  /** Whether another run may do better. */
  private async helps(error: unknown, attempt: number, keptPlans: boolean): Promise<boolean> {
    // By what this attempt did: another request may have found out meanwhile, and none keeps plans any more.
    if (keptPlans && isLostPlan(error)) {
      this.keepsPlans = false;
      return true;
    }
    // Here, where no connection is held: those who wait for a second one, with the pool's last, wait for ever.
    if (error instanceof ContractNotLoadedError) await this.schemas.current();
    // DDL between reading the contract and using it shows as a missing column or a stale plan: once more, then.
    else if (isSchemaRace(error)) return attempt === 1;
    else return RUN_AGAIN.some((kind) => error instanceof kind) || isRetryable(error);
    return true;
  }
}
