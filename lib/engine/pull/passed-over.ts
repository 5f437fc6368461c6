import type { EntityManager } from 'typeorm';
import type { ContractTable } from '../../schema/schema-contract.js';
import { enqueueRequest, type NewRequest } from '../../store/requests.js';
import type { SyncClient } from '../../store/sync-clients.js';
import type { Hydrated } from './hydrator.js';

/**
 * Records of which a page has not told what the log says, as the rows are ahead of it. The log may have nothing else to
 * say of them: of a row that leaves the user's sight and comes back, it may learn of both at once. So the consumer is
 * asked to tell the device what became of them.
 */
export type PassedOver = Pick<NewRequest, 'kind' | 'table' | 'recordIds' | 'servedAt'>;

/** For rows that as they are now are not the user's. */
export function redeliveries(
  { table }: ContractTable,
  { withheld }: Pick<Hydrated, 'withheld'> = { withheld: [] },
): readonly PassedOver[] {
  if (withheld.length === 0) return [];
  const recordIds = withheld.map(([id]) => id);
  return [{ kind: 'redeliver', table: table.name, recordIds, servedAt: withheld.map(([, time]) => time) }];
}

/** Asks the consumer for what was passed over. The device must not have its page before: it would not ask again. */
export async function notePassedOver(
  manager: EntityManager,
  client: SyncClient,
  records: readonly PassedOver[],
): Promise<void> {
  for (const each of records) await enqueueRequest(manager, { ...each, client: client.id });
}
