import type { DataSource, EntityMetadata } from 'typeorm';
import { quoteRelation } from '../../common/identifiers.js';
import { EntityColumns } from '../entity-columns.js';
import type { RegistryProblem } from '../sync-registry.js';
import type { SyncTableOptions } from '../sync-table.options.js';
import type { ResolvedMembers, SyncTable } from '../sync-table.js';

/** Resolves `members` of `@SyncTable`, and collects its problems. */
export function resolveMembers(
  dataSource: DataSource,
  { metadata, options }: { readonly metadata: EntityMetadata; readonly options: SyncTableOptions },
  defaultSchema: string,
  problems: RegistryProblem[],
): ResolvedMembers | null {
  const { members } = options;
  if (members === undefined) return null;
  const problem = (message: string, fix: string): void => {
    problems.push({
      code: 'configuration_invalid',
      entity: metadata.name,
      option: 'members',
      message,
      fix,
    });
  };
  for (const option of ['bucketByColumn', 'bucketPrefix', 'bucketFunction'] as const)
    if (options[option] !== undefined)
      problem(`it names the buckets, and so does ${option}`, `remove ${option}`);
  const target = members.through();
  const through = dataSource.entityMetadatas.find((each) => each.target === target);
  if (!through) {
    problem(`${target.name} is no entity of the DataSource`, `add ${target.name} to its entities`);
    return null;
  }
  const named = new EntityColumns(through, problems);
  const userColumn = named.named('members.userColumn', members.userColumn);
  const [key] = metadata.primaryColumns;
  return {
    column:
      members.column === undefined
        ? (key?.databaseName ?? 'id')
        : new EntityColumns(metadata, problems).named('members.column', members.column),
    sql: quoteRelation(through.schema ?? defaultSchema, through.tableName),
    teamColumn: named.named('members.teamColumn', members.teamColumn),
    userColumn,
    userType: userTypeOf(dataSource, through, userColumn),
    writers: Object.entries(members.writers ?? {}).map(([column, values]) => [
      named.named('members.writers', column),
      values.map(String),
    ]),
    owner: members.owner ?? true,
    bucketPrefix: `${through.tableName}:`,
  };
}

function userTypeOf(
  dataSource: DataSource,
  through: EntityMetadata,
  name: string,
): ResolvedMembers['userType'] {
  const column = through.columns.find(({ databaseName }) => databaseName === name);
  const type = column === undefined ? 'text' : dataSource.driver.normalizeType(column);
  if (type === 'uuid') return 'uuid';
  return ['integer', 'bigint', 'smallint'].includes(type) ? 'bigint' : 'text';
}

/** A table's bucket rules beside `bucketByColumn`: the column whose value names the bucket, and what stands before it. */
export interface MemberBucket {
  readonly column: string;
  readonly prefix: string;
}

/** The bucket of a row's members, where the row is in its owner's as well; null where there is none, or no other. */
export function memberBucket({ members, ownerColumn }: SyncTable): MemberBucket | null {
  if (members === null || ownerColumn === null || !members.owner) return null;
  return { column: members.column, prefix: members.bucketPrefix };
}
