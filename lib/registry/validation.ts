import type { SynchroProblem } from '../common/errors.js';
import { tableNameProblems } from './name-problems.js';
import { bucketPrefixProblems } from './buckets/named-buckets.js';
import type { SyncTable } from './sync-table.js';

/** Finds contradictions in the tables' options (docs/options.md#synctable). */
export function ruleProblems(tables: readonly SyncTable[]): readonly SynchroProblem[] {
  const byName = new Map(tables.map((table) => [table.name, table]));
  return tables.flatMap((table, index) => [
    ...tableNameProblems(table, tables.slice(0, index)),
    ...optionProblems(table),
    ...bucketPrefixProblems(table),
    ...parentProblems(table, byName),
  ]);
}

function optionProblems(table: SyncTable): readonly SynchroProblem[] {
  const problems: SynchroProblem[] = [];
  if (!['owner_only', 'disabled'].includes(table.pushPolicy)) {
    problems.push(
      problem(table, 'pushPolicy', `${table.pushPolicy} is none`, 'it is owner_only or disabled'),
    );
  }
  if (!['readable', 'any'].includes(table.writeBuckets)) {
    problems.push(problem(table, 'writeBuckets', `${table.writeBuckets} is none`, 'it is readable or any'));
  }
  if (table.globalWhenBucketNull && !table.allowGlobalRead) {
    problems.push(
      problem(
        table,
        'globalWhenBucketNull',
        'rows in global are read by everyone',
        'it needs allowGlobalRead: true',
      ),
    );
  }
  if (table.pushPolicy === 'owner_only' && !hasWriters(table) && table.parent === null) {
    problems.push(
      problem(
        table,
        'pushPolicy',
        'clients push into the table, but its rows have no owner',
        `set ownerColumn, parent, members or writeFunction, or pushPolicy: 'disabled'`,
      ),
    );
  }
  return problems;
}

function parentProblems(table: SyncTable, byName: ReadonlyMap<string, SyncTable>): readonly SynchroProblem[] {
  const visited = [table];
  let root = table;
  while (root.parent !== null) {
    const parent = byName.get(root.parent);
    if (!parent) return []; // refused as an entity
    if (visited.includes(parent)) {
      const cycle = [...visited, parent].map(({ entity }) => entity).join(' → ');
      return [problem(table, 'parent', `${cycle} is a cycle`, 'take parent off one of them')];
    }
    visited.push(parent);
    root = parent;
  }
  if (root === table || hasWriters(root)) return [];
  return [
    problem(
      table,
      'parent',
      `the chain ends at ${root.entity}, which has no owner`,
      `set ownerColumn, members or writeFunction on ${root.entity}`,
    ),
  ];
}

function hasWriters({ ownerColumn, members, writeFunction }: SyncTable): boolean {
  return ownerColumn !== null || members !== null || writeFunction !== null;
}

function problem(table: SyncTable, option: string, message: string, fix: string): SynchroProblem {
  return { code: 'configuration_invalid', entity: table.entity, option, message, fix };
}
