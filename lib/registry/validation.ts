import type { SyncTable } from './sync-table.js';

/** What contradicts itself in the tables' options (config-semantics §1); one line a problem. */
export function ruleProblems(tables: readonly SyncTable[]): readonly string[] {
  const byName = new Map(tables.map((table) => [table.name, table]));
  return tables.flatMap((table, index) => [
    ...duplicateProblems(table, tables.slice(0, index)),
    ...optionProblems(table),
    ...parentProblems(table, byName),
  ]);
}

function duplicateProblems(table: SyncTable, earlier: readonly SyncTable[]): readonly string[] {
  const other = earlier.find(({ name }) => name === table.name);
  if (!other) return [];
  return [
    `${table.name}: ${other.schema}.${other.name} and ${table.schema}.${table.name} have the same name on the wire; only one of them can be synced`,
  ];
}

function optionProblems(table: SyncTable): readonly string[] {
  const problems: string[] = [];
  if (!['owner_only', 'disabled'].includes(table.pushPolicy)) {
    problems.push(`${table.name}: pushPolicy: ${table.pushPolicy} is neither owner_only nor disabled`);
  }
  if (table.globalWhenBucketNull && !table.allowGlobalRead) {
    problems.push(`${table.name}: globalWhenBucketNull: needs allowGlobalRead: true`);
  }
  if (table.pushPolicy === 'owner_only' && table.ownerColumn === null && table.parent === null) {
    problems.push(`${table.name}: pushPolicy: a table that clients push needs ownerColumn or parent`);
  }
  return problems;
}

function parentProblems(table: SyncTable, byName: ReadonlyMap<string, SyncTable>): readonly string[] {
  const visited = new Set([table.name]);
  let root = table;
  while (root.parent !== null) {
    const parent = byName.get(root.parent);
    if (!parent) return [`${table.name}: parent: ${root.parent} is not registered for sync`];
    if (visited.has(parent.name))
      return [`${table.name}: parent: ${[...visited, parent.name].join(' → ')} is a cycle`];
    visited.add(parent.name);
    root = parent;
  }
  if (root === table || root.ownerColumn !== null) return [];
  return [`${table.name}: parent: the chain ends at ${root.name}, which has no ownerColumn`];
}
