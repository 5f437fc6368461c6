import type { DataSource, EntityManager } from 'typeorm';
import { isLostPlan } from '../database/database-error.js';
import { inTransaction, singleStatement } from '../database/session.js';
import type { SynchroSettings } from '../settings/synchro.settings.js';
import { type LogHead, readLogHead } from '../store/changelog/log-head.js';
import { addDisconnect, type Disconnect, readDisconnects } from '../store/clients/disconnects.js';
import {
  type LiveClient,
  type LiveQuestion,
  readLiveClient,
  readRegistered,
  readResynced,
} from '../store/clients/live-clients.js';

/** Runs the queries of the live channel, each as one statement. */
export class LiveReads {
  private keepsPlans: boolean;

  constructor(
    private readonly dataSource: DataSource,
    settings: Pick<SynchroSettings, 'preparedStatements'>,
  ) {
    this.keepsPlans = settings.preparedStatements;
  }

  /** @param most see {@link readLogHead} */
  head(from: bigint, most: bigint): Promise<LogHead | null> {
    return this.read((manager) => readLogHead(manager, from, most));
  }

  resynced(from: bigint, to: bigint): Promise<readonly string[]> {
    return this.read((manager) => readResynced(manager, from, to));
  }

  client(question: LiveQuestion): Promise<LiveClient | null> {
    return this.read((manager) => readLiveClient(manager, question));
  }

  registered(ids: readonly string[]): Promise<ReadonlyMap<string, bigint>> {
    return this.read((manager) => readRegistered(manager, ids));
  }

  disconnects(after: bigint): Promise<readonly Disconnect[]> {
    return this.read((manager) => readDisconnects(manager, after));
  }

  addDisconnect(userId: string, clientId: string | null): Promise<void> {
    return inTransaction(this.dataSource, 'write', (manager) => addDisconnect(manager, userId, clientId));
  }

  private async read<Result>(work: (manager: EntityManager) => Promise<Result>): Promise<Result> {
    const { keepsPlans } = this;
    try {
      return await singleStatement(this.dataSource, work, { keepsPlans });
    } catch (error) {
      if (!keepsPlans || !isLostPlan(error)) throw error;
      this.keepsPlans = false;
      return singleStatement(this.dataSource, work);
    }
  }
}
