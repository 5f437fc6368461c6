import type { DataSource, EntityManager, EntityTarget } from 'typeorm';
import { SynchroError } from '../../common/errors.js';
import type { SchemaService } from '../../schema/schema.service.js';
import type { ContractTable, SchemaContract } from '../../schema/schema-contract.js';
import { enqueueTask } from '../../store/tasks/consumer-tasks.js';
import type { SqlRunner } from '../../database/session.js';
import { dataSourceOf, type HasDataSource } from '../../database/typeorm-versions.js';
import { recordId } from '../push/values/record-id.js';

/** A primary key as the host has it. */
export type RecordId = string | number | bigint;

export interface ReresolveOptions {
  /**
   * The caller's transaction: the task is stored when it commits, and no other connection is taken, as in
   * `onPushAccepted`. Default: a transaction of its own.
   */
  readonly manager?: EntityManager;
}

/** Leaves it to the WAL consumer to resolve rows again. @throws SynchroError `bad_request` */
export async function requestReresolve(
  manager: SqlRunner & HasDataSource,
  schemas: SchemaService,
  entity: EntityTarget<object>,
  ids?: readonly RecordId[],
): Promise<void> {
  const table = syncedTable(dataSourceOf(manager), await schemas.tables(manager), entity);
  const recordIds = ids?.map((id) => canonical(table, id)) ?? null;
  if (recordIds?.length === 0) return;
  await enqueueTask(manager, { kind: 'reresolve', table: table.table.name, recordIds });
}

function syncedTable(
  dataSource: DataSource,
  tables: SchemaContract['tables'],
  entity: EntityTarget<object>,
): ContractTable {
  const named = typeof entity === 'string' ? tables.get(entity) : undefined;
  if (named) return named;
  const name = dataSource.hasMetadata(entity) ? dataSource.getMetadata(entity).tableName : undefined;
  const table = name === undefined ? undefined : tables.get(name);
  if (table) return table;
  const asked = typeof entity === 'string' ? entity : typeof entity === 'function' ? entity.name : name;
  throw new SynchroError(
    'bad_request',
    `${asked ?? 'the entity'} is not synced`,
    `name one of the synced tables (${[...tables.keys()].join(', ')}) or its entity.`,
  );
}

/** The consumer casts ids to the key's own type, where any other text would be an SQL error. */
function canonical(table: ContractTable, id: RecordId): string {
  const text = recordId(table.primaryKey, String(id));
  if (text !== null) return text;
  const { name, dbType } = table.primaryKey;
  throw new SynchroError(
    'bad_request',
    `"${id}" is no ${name} of ${table.table.name}, which is of type ${dbType}`,
  );
}
