import { Inject, Injectable } from '@nestjs/common';
import type { DataSource } from 'typeorm';
import { SYNC_DATA_SOURCE } from '../../database/data-source.token.js';
import { HookRunner } from '../../hooks/hook-runner.js';
import { ConflictResolver } from '../../resolvers/conflict-resolver.js';
import { isOfHost } from '../../resolvers/own-conflict-rule.js';
import { SchemaService } from '../../schema/schema.service.js';
import { SYNCHRO_OPTIONS } from '../../settings/synchro.options.js';
import type { SynchroSettings } from '../../settings/synchro.settings.js';
import { RequestTransactions } from './request-transactions.js';
import { ContextReader } from './sync-context.js';

/** The parts that every use case needs: the database, its transactions, and their first statements. */
@Injectable()
export class Requests {
  readonly transactions: RequestTransactions;
  readonly contexts: ContextReader;

  constructor(
    @Inject(SYNC_DATA_SOURCE) readonly dataSource: DataSource,
    @Inject(SYNCHRO_OPTIONS) settings: SynchroSettings,
    schemas: SchemaService,
    hooks: HookRunner,
    resolver: ConflictResolver,
  ) {
    // Hooks are found after this is made.
    const runsHostCode = (): boolean => hooks.any || isOfHost(resolver);
    this.transactions = new RequestTransactions(dataSource, schemas, settings, runsHostCode);
    this.contexts = new ContextReader(schemas);
  }
}
