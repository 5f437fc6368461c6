import type { DataSource, EntityManager } from 'typeorm';
import { isRetryable, isSchemaRace } from '../common/database-error.js';
import type { SchemaService } from '../schema/schema.service.js';
import { inTransaction, type TransactionOptions } from '../store/session.js';
import { ContractNotLoadedError } from './contract-not-loaded.error.js';
import { OutdatedLogError } from './outdated-log.error.js';
import { ParkingBusyError } from './push/parking-busy.error.js';

/** How often a transaction that lost a race is run again before the device is asked to come back. */
const ATTEMPTS = 4;

/** `attempt` counts from 1. */
type Work<Result> = (manager: EntityManager, attempt: number) => Promise<Result>;

/** The transactions of requests, each on one connection of the host's pool; run again where that helps. */
export class RequestTransactions {
  constructor(
    private readonly dataSource: DataSource,
    private readonly schemas: SchemaService,
    private readonly options: TransactionOptions,
  ) {}

  /** Sees one snapshot of the database throughout. */
  read<Result>(work: Work<Result>): Promise<Result> {
    return this.run('read', work);
  }

  write<Result>(work: Work<Result>): Promise<Result> {
    return this.run('write', work);
  }

  private async run<Result>(kind: 'read' | 'write', work: Work<Result>): Promise<Result> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await inTransaction(this.dataSource, kind, (manager) => work(manager, attempt), this.options);
      } catch (error) {
        if (attempt === ATTEMPTS || !(await this.helps(error, attempt))) throw error;
      }
    }
  }

  /** Whether another run may do better. */
  private async helps(error: unknown, attempt: number): Promise<boolean> {
    // Here, where no connection is held: those who wait for a second one, with the pool's last, wait for ever.
    if (error instanceof ContractNotLoadedError) await this.schemas.current();
    // DDL between reading the contract and using it shows as a missing column or a stale plan: once more, then.
    else if (isSchemaRace(error)) return attempt === 1;
    else return error instanceof ParkingBusyError || error instanceof OutdatedLogError || isRetryable(error);
    return true;
  }
}
