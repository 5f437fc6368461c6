import type { DataSource, EntityManager } from 'typeorm';
import type { ContractTable } from '../../schema/schema-contract.js';
import { pipelined, type Statement } from '../../database/pipeline.js';
import { type NewRequest, requestSql } from '../../store/tasks/requests.js';
import { inTransaction } from '../../database/session.js';
import type { SyncClient } from '../../store/clients/sync-clients.js';
import type { Hydrated } from './hydrator.js';

/**
 * Records of which an answer has not told its device how they are, as the rows are ahead of the log or the device was
 * refused something. The log may have nothing else to say of them: of a row that leaves the user's sight and comes back,
 * it may learn of both at once. So the consumer is asked to tell the device what became of them.
 */
export type PassedOver = Pick<NewRequest, 'kind' | 'table' | 'recordIds' | 'anew' | 'later' | 'userId'>;

/** For rows that as they are now are not the user's. */
export function redeliveries(
  { table }: ContractTable,
  { withheld }: Pick<Hydrated, 'withheld'> = { withheld: [] },
): readonly PassedOver[] {
  return [false, true].flatMap((anew) => {
    const recordIds = withheld.filter((record) => record.anew === anew).map(({ id }) => id);
    return recordIds.length === 0 ? [] : { kind: 'redeliver', table: table.name, recordIds, anew };
  });
}

/** Asks the consumer for what was passed over. The device must not have its answer before: it would not ask again. */
export async function notePassedOver(
  manager: EntityManager,
  client: SyncClient,
  records: readonly PassedOver[],
): Promise<void> {
  const statements = passedOverSql(client, records);
  if (statements.length > 0) await pipelined(manager, statements);
}

/** The statements of {@link notePassedOver}. */
export function passedOverSql(client: SyncClient, records: readonly PassedOver[]): readonly Statement[] {
  return records.flatMap((each) => requestSql({ ...each, client: client.id }));
}

/** The same in a transaction of its own. */
export async function askForPassedOver(
  dataSource: DataSource,
  client: SyncClient,
  records: readonly PassedOver[],
): Promise<void> {
  if (records.length === 0) return;
  await inTransaction(dataSource, 'write', (manager) => notePassedOver(manager, client, records));
}
