import type { EntityManager } from 'typeorm';
import { SynchroError } from '../../common/errors.js';
import type { HookRunner } from '../../hooks/hook-runner.js';
import type { SyncClient } from '../../store/clients/sync-clients.js';
import { registered, type SyncContext } from '../request/sync-context.js';
import type { SyncRequest } from '../request/sync-request.js';

/** @throws SynchroError for a device that is unknown, or that the host refuses */
export async function admit(
  hooks: HookRunner,
  manager: EntityManager,
  request: Pick<SyncRequest, 'userId' | 'clientId'>,
  context: SyncContext,
): Promise<SyncClient> {
  const client = registered(context);
  await refuseStale(hooks, manager, request, client);
  return client;
}

/**
 * Asks the host whether a device that has synced before may go on (`onStaleClient`).
 * @throws SynchroError `client_stale` when it may not
 */
async function refuseStale(
  hooks: HookRunner,
  manager: EntityManager,
  { userId, clientId }: { readonly userId: string; readonly clientId: string },
  { lastSyncAt }: SyncClient,
): Promise<void> {
  if (lastSyncAt === null) return;
  const event = { manager, userId, clientId, lastSyncAt: new Date(lastSyncAt) };
  if (await hooks.allowsStaleClient(event)) return;
  throw new SynchroError('client_stale', 'client has not synced for too long');
}
