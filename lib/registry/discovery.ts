import type { DataSource } from 'typeorm';
import { entityProblem, manyToManyWarnings } from './entity-problems.js';
import { syncTableOptions } from './sync-table.decorator.js';
import { SyncRegistry, type RegistryProblem } from './sync-registry.js';
import { type Decorated, TableBuilder } from './table-builder.js';
import { ruleProblems } from './validation.js';

/**
 * Builds the registry from the decorated entities of a DataSource, in their order. It infers options from TypeORM's
 * metadata; given options win. Problems don't stop it: they are in the registry's `findings`, so that the start
 * reports them together with the database's.
 * @param defaultSchema schema of entities that don't name one
 */
export function discoverTables(dataSource: DataSource, defaultSchema: string): SyncRegistry {
  const problems: RegistryProblem[] = [];
  const found = decoratedEntities(dataSource);
  if (found.length === 0) problems.push(NOTHING_TO_SYNC);
  problems.push(...found.map(({ metadata }) => entityProblem(metadata)).filter((one) => one !== null));
  const decorated = found.filter(({ metadata }) => entityProblem(metadata) === null);
  const tables = decorated.map((entity) =>
    new TableBuilder(dataSource, entity, defaultSchema, problems).build(depthOf(entity, decorated)),
  );
  problems.push(...ruleProblems(tables));
  const synced = new Set(decorated.map(({ metadata }) => metadata.tablePath));
  const warnings = decorated.flatMap(({ metadata }) =>
    manyToManyWarnings(metadata, (tablePath) => synced.has(tablePath)),
  );
  return new SyncRegistry(tables, { problems, warnings });
}

const NOTHING_TO_SYNC: RegistryProblem = {
  code: 'configuration_invalid',
  entity: 'DataSource',
  option: 'entities',
  message: 'none of them is decorated with @SyncTable()',
  fix: 'decorate the entities that devices should have',
};

function decoratedEntities(dataSource: DataSource): readonly Decorated[] {
  return dataSource.entityMetadatas.flatMap((metadata) => {
    const options = typeof metadata.target === 'function' ? syncTableOptions(metadata.target) : undefined;
    return options === undefined ? [] : [{ metadata, options }];
  });
}

/** Number of ancestors; a cycle ends at its first repetition and is reported by the rules. */
function depthOf({ metadata, options }: Decorated, decorated: readonly Decorated[]): number {
  const seen = new Set<unknown>([metadata.target]);
  let depth = 0;
  let parent = options.parent?.();
  while (parent !== undefined && !seen.has(parent)) {
    seen.add(parent);
    depth++;
    const target = parent;
    parent = decorated.find((entry) => entry.metadata.target === target)?.options.parent?.();
  }
  return depth;
}
