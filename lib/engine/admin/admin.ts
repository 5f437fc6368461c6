import { Injectable } from '@nestjs/common';
import type { EntityTarget } from 'typeorm';
import { canonicalId } from '../../common/canonical-id.js';
import { inTransaction, NO_OPENING } from '../../database/session.js';
import { qualified } from '../../database/sync-schema.js';
import { SchemaService } from '../../schema/schema.service.js';
import { deleteClient, listClients, type ClientInfo } from '../../store/clients/client-admin.js';
import { Compaction } from '../compaction/compaction.js';
import { Requests } from '../request/requests.js';
import { caughtUp, type CaughtUpOptions } from './caught-up.js';
import { requestReresolve, type RecordId, type ReresolveOptions } from './reresolve.js';

/** Operations for the host (see `SyncEngine`). */
@Injectable()
export class Admin {
  constructor(
    private readonly requests: Requests,
    readonly schemas: SchemaService,
    readonly compaction: Compaction,
  ) {}

  clients(userId: string): Promise<readonly ClientInfo[]> {
    return this.requests.transactions.read(NO_OPENING, (manager) =>
      listClients(manager, canonicalId(userId)),
    );
  }

  revokeClient(userId: string, clientId: string): Promise<boolean> {
    return this.requests.transactions.write(NO_OPENING, (manager) =>
      deleteClient(manager, canonicalId(userId), clientId),
    );
  }

  async reresolve(
    entity: EntityTarget<object>,
    ids: readonly RecordId[] | undefined,
    { manager }: ReresolveOptions,
  ): Promise<void> {
    const ask = (own: Parameters<typeof requestReresolve>[0]): Promise<void> =>
      requestReresolve(own, this.schemas, entity, ids);
    await (manager ? ask(qualified(manager)) : inTransaction(this.requests.dataSource, 'write', ask));
  }

  async caughtUp(options: CaughtUpOptions): Promise<void> {
    const { tables } = await this.schemas.current();
    await caughtUp(this.requests.dataSource, [...tables.keys()], options);
  }
}
