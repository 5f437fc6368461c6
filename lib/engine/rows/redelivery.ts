import type { DataSource, EntityManager } from 'typeorm';
import type { ContractTable } from '../../schema/schema-contract.js';
import { pipelined, type SqlStatement } from '../../database/pipeline.js';
import { type NewTask, taskSql } from '../../store/tasks/consumer-tasks.js';
import { inTransaction } from '../../database/session.js';
import type { SyncClient } from '../../store/clients/sync-clients.js';
import type { Hydrated } from './hydrator.js';

/**
 * Records whose state an answer leaves open for its device, as their rows are ahead of the log or the device was
 * refused a change. The log may have no further entry for them: it may get a row's leave and return at the same time.
 * So a consumer task brings the device their state.
 */
export type Redelivery = Pick<
  NewTask,
  'kind' | 'table' | 'recordIds' | 'forceNewerTimestamp' | 'later' | 'userId'
>;

/** For rows that as they are now are not the user's. */
export function redeliveriesOf(
  { table }: ContractTable,
  { leftOut }: Pick<Hydrated, 'leftOut'> = { leftOut: [] },
): readonly Redelivery[] {
  return [false, true].flatMap((forceNewerTimestamp) => {
    const recordIds = leftOut
      .filter((record) => record.forceNewerTimestamp === forceNewerTimestamp)
      .map(({ id }) => id);
    return recordIds.length === 0
      ? []
      : { kind: 'redeliver', table: table.name, recordIds, forceNewerTimestamp };
  });
}

/** Asks the consumer for what was passed over. The device must not have its answer before: it would not ask again. */
export async function requestRedelivery(
  manager: EntityManager,
  client: SyncClient,
  records: readonly Redelivery[],
): Promise<void> {
  const statements = redeliverySql(client, records);
  if (statements.length > 0) await pipelined(manager, statements);
}

/** The statements of {@link requestRedelivery}. */
export function redeliverySql(client: SyncClient, records: readonly Redelivery[]): readonly SqlStatement[] {
  return records.flatMap((each) => taskSql({ ...each, client: client.id }));
}

/** The same in a transaction of its own. */
export async function requestRedeliveryApart(
  dataSource: DataSource,
  client: SyncClient,
  records: readonly Redelivery[],
): Promise<void> {
  if (records.length === 0) return;
  await inTransaction(dataSource, 'write', (manager) => requestRedelivery(manager, client, records));
}
