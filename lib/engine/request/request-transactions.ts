import type { DataSource, EntityManager } from 'typeorm';
import { isDataError, isLostPlan, isRetryable, isSchemaRace } from '../../database/database-error.js';
import type { SchemaService } from '../../schema/schema.service.js';
import type { StatementBatch } from '../../database/pipeline.js';
import {
  type ClosingStatements,
  openedTransaction,
  singleStatement,
  type TransactionKind,
  type TransactionOptions,
} from '../../database/session.js';
import type { SynchroSettings } from '../../settings/synchro.settings.js';
import { ContractNotLoadedError } from './contract-not-loaded.error.js';
import { OutdatedLogError } from './outdated-log.error.js';
import { KeyReplacedError } from '../push/writing/key-replaced.error.js';
import { ParkingBusyError } from '../push/parking/parking-busy.error.js';

/** How often a transaction that lost a race is run again before the device has to come back. */
const ATTEMPTS = 4;

/** Thrown by a transaction to be run again. */
const RUN_AGAIN = [ParkingBusyError, KeyReplacedError, OutdatedLogError];

/** The statements that a request's transaction begins with. `attempt` counts from 1. */
export type RequestOpening<Opened> = (manager: EntityManager, attempt: number) => StatementBatch<Opened>;

/** `attempt` counts from 1. */
type Work<Result, Opened> = (
  manager: EntityManager,
  opened: Opened,
  attempt: number,
) => Promise<Result | ClosingStatements<Result>>;

/** `careful`: rows may be there that can't be read. */
type CarefulWork<Result, Opened> = (
  manager: EntityManager,
  opened: Opened,
  careful: boolean,
) => Promise<Result | ClosingStatements<Result>>;

/** The transactions of requests, each on one connection of the host's pool; run again where that helps. */
export class RequestTransactions {
  private keepsPlans: boolean;

  constructor(
    private readonly dataSource: DataSource,
    private readonly schemas: SchemaService,
    private readonly settings: Pick<SynchroSettings, 'statementTimeout' | 'preparedStatements'>,
    /** Whether the host has code that runs in them. */
    private readonly runsHostCode: () => boolean,
  ) {
    this.keepsPlans = settings.preparedStatements;
  }

  /** Sees one snapshot of the database throughout. */
  read<Result, Opened>(opening: RequestOpening<Opened>, work: Work<Result, Opened>): Promise<Result> {
    return this.transaction('read', opening, work);
  }

  /** The same for the host's rows: when it fails for one that it meets, it is run once more, with care. */
  async readRows<Result, Opened>(
    opening: RequestOpening<Opened>,
    work: CarefulWork<Result, Opened>,
  ): Promise<Result> {
    try {
      return await this.read(opening, (manager, opened) => work(manager, opened, false));
    } catch (error) {
      if (!isDataError(error)) throw error;
      return this.read(opening, (manager, opened) => work(manager, opened, true));
    }
  }

  /** @param options of the transaction */
  write<Result, Opened>(
    opening: RequestOpening<Opened>,
    work: Work<Result, Opened>,
    options: Pick<TransactionOptions, 'worksBetween'> = {},
  ): Promise<Result> {
    return this.transaction('write', opening, work, options);
  }

  /** One statement by itself, for which no transaction is begun. */
  single<Result>(work: (manager: EntityManager) => Promise<Result>): Promise<Result> {
    return this.run((options) => singleStatement(this.dataSource, work, options));
  }

  /** Whether a statement by itself may take any time: a limit of its own would need a transaction. */
  get hasSingle(): boolean {
    return this.settings.statementTimeout === undefined;
  }

  private transaction<Result, Opened>(
    kind: TransactionKind,
    opening: RequestOpening<Opened>,
    work: Work<Result, Opened>,
    own: Pick<TransactionOptions, 'worksBetween'> = {},
  ): Promise<Result> {
    return this.run((options, attempt) =>
      openedTransaction(
        this.dataSource,
        kind,
        (manager) => opening(manager, attempt),
        (manager, opened) => work(manager, opened, attempt),
        { ...options, ...own },
      ),
    );
  }

  private async run<Result>(
    work: (options: TransactionOptions, attempt: number) => Promise<Result>,
  ): Promise<Result> {
    const { statementTimeout } = this.settings;
    for (let attempt = 1; ; attempt++) {
      // What came between the plan and its use may lie in the plan.
      const keepsPlans = this.keepsPlans && attempt === 1;
      try {
        return await work({ statementTimeout, keepsPlans, worksBetween: this.runsHostCode() }, attempt);
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
    // Here, where no connection is held: a request that holds one and waits for a second one could wait without end.
    if (error instanceof ContractNotLoadedError) await this.schemas.current();
    // DDL between reading the contract and using it shows as a missing column or a stale plan: once more, then.
    else if (isSchemaRace(error)) return attempt === 1;
    else return RUN_AGAIN.some((kind) => error instanceof kind) || isRetryable(error);
    return true;
  }
}
