import { Injectable } from '@nestjs/common';
import type { EntityTarget } from 'typeorm';
import { canonicalId } from '../../common/canonical-id.js';
import { inTransaction, NO_OPENING } from '../../database/session.js';
import { qualified } from '../../database/sync-schema.js';
import { Live } from '../../live/live.js';
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
    private readonly live: Live,
  ) {}

  clients(userId: string): Promise<readonly ClientInfo[]> {
    return this.requests.transactions.read(NO_OPENING, (manager) =>
      listClients(manager, canonicalId(userId)),
    );
  }

  async revokeClient(userId: string, clientId: string): Promise<boolean> {
    const user = canonicalId(userId);
    const isGone = await this.requests.transactions.write(NO_OPENING, (manager) =>
      deleteClient(manager, user, clientId),
    );
    if (isGone) await this.live.disconnect(user, clientId);
    return isGone;
  }

  disconnect(userId: string): Promise<void> {
    return this.live.disconnect(canonicalId(userId), null);
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
