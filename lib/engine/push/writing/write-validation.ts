import type { DataSource, EntityManager, EntityMetadata } from 'typeorm';
import { describeError, stackOf } from '../../../common/describe-error.js';
import type { SyncLogger } from '../../../common/sync-logger.js';
import type { BeforeApplyEvent } from '../../../settings/hook-events.js';
import type { HookRunner } from '../../../hooks/hook-runner.js';
import type { SyncTable } from '../../../registry/sync-table.js';
import type { RoleSwitch } from '../../../database/role-switch.js';
import { type FailedCode, HostCode } from './host-code.js';
import type { JsonObject } from '../values/json.js';
import type { Write } from './judge.js';
import { plainChange, plainRow } from '../values/plain-value.js';
import type { PushContext, PushResult } from '../push-change.js';
import { reverted } from '../verdicts.js';
import { dataSourceOf, hydrated } from '../../../database/typeorm-versions.js';

/** Puts each write before the host's validators (`beforeApply`). */
export class WriteValidation {
  private readonly code: HostCode;

  constructor(
    private readonly manager: EntityManager,
    roles: RoleSwitch,
    private readonly hooks: HookRunner,
    private readonly context: Pick<PushContext, 'userId' | 'clientId' | 'isRerun'>,
    private readonly logger: SyncLogger,
  ) {
    this.code = new HostCode(manager, roles, 'synchro_validation', context.isRerun === true);
  }

  /** Whether there are validators. */
  get isAsked(): boolean {
    return this.hooks.has('beforeApply');
  }

  /**
   * The verdicts on the writes that were refused, or what the validator threw. One that fails in SQL costs no other record its place: it is undone
   * with a savepoint.
   *
   * @throws what is no fault of a validator's: the whole transaction is to be tried again
   */
  async refusals(writes: readonly Write[]): Promise<ReadonlyMap<Write, PushResult | FailedCode>> {
    const refused = new Map<Write, PushResult | FailedCode>();
    if (writes.length === 0 || !this.isAsked) return refused;
    for (const write of writes) {
      const verdict = await this.verdict(write);
      if (verdict) refused.set(write, verdict);
    }
    await this.code.close();
    return refused;
  }

  private async verdict(write: Write): Promise<PushResult | FailedCode | null> {
    const { item, row } = write;
    const answer = await this.code.run(() =>
      this.hooks.rejection(new WriteEvent(this.manager, this.context, write)),
    );
    if ('value' in answer) {
      const { value: rejection } = answer;
      return rejection && reverted(item, row, rejection.reason, rejection.message);
    }
    this.logger.error('a write validator failed', {
      table: item.table.table.name,
      recordId: item.id,
      error: describeError(answer.error),
      stack: stackOf(answer.error),
    });
    return answer;
  }
}

class WriteEvent implements BeforeApplyEvent {
  readonly userId: string;
  readonly clientId: string;
  readonly table: string;
  readonly recordId: string;
  readonly operation: BeforeApplyEvent['operation'];
  readonly data: JsonObject;
  readonly current: JsonObject | null;

  constructor(
    readonly manager: EntityManager,
    { userId, clientId }: Pick<PushContext, 'userId' | 'clientId'>,
    private readonly write: Write,
  ) {
    const { item, columns, row } = write;
    this.userId = userId;
    this.clientId = clientId;
    this.table = item.table.table.name;
    this.recordId = row?.id ?? item.id;
    this.operation = item.operation;
    this.data = plainChange(columns, item, row);
    this.current = row === undefined ? null : plainRow(row);
  }

  get entity(): object {
    const { item, granted } = this.write;
    const { table } = item.table;
    const dataSource = dataSourceOf(this.manager);
    const metadata = entityMetadata(dataSource, table);
    const forced = {
      [table.idColumn]: this.recordId,
      ...(table.ownerColumn === null ? {} : { [table.ownerColumn]: this.userId }),
    };
    const owner = granted?.owner ?? null;
    const given = table.ownerColumn === null || owner === null ? {} : { [table.ownerColumn]: owner };
    return toEntity(dataSource, metadata, { ...forced, ...this.current, ...this.data, ...given });
  }
}

/** A change of an unknown table has been refused long before. */
function entityMetadata(dataSource: DataSource, { name, schema }: SyncTable): EntityMetadata {
  const named = dataSource.entityMetadatas.filter(({ tableName }) => tableName === name);
  const [metadata] = named.toSorted((a) => (a.schema === schema ? -1 : 1));
  if (!metadata) throw new RangeError(`no entity has the table ${name}`);
  return metadata;
}

function toEntity(dataSource: DataSource, metadata: EntityMetadata, row: JsonObject): object {
  const entity: Record<string, unknown> = metadata.create();
  // A class field that is declared, but empty, would keep TypeORM from making the relation's object.
  for (const { propertyName } of metadata.relations)
    if (entity[propertyName] === undefined) delete entity[propertyName];
  for (const column of metadata.columns) {
    const value = row[column.databaseName];
    if (value === undefined) continue;
    column.setEntityValue(entity, hydrated(dataSource, column, value));
  }
  return entity;
}
