import type { DataSource } from 'typeorm';
import { ownQuery } from '../../database/query-log/own-query.js';
import type { SynchroProblem } from '../../common/errors.js';
import { quoteIdentifier, quoteRelation } from '../../common/identifiers.js';
import type { SyncTable } from '../../registry/sync-table.js';

interface ForeignKey {
  readonly entity: string;
  readonly option: string;
  readonly relation: string;
  readonly column: string;
}

/** Columns that no index begins with, though sync finds rows of parents, bucket sources or members by them. */
export async function indexProblems(
  dataSource: DataSource,
  tables: readonly SyncTable[],
): Promise<readonly SynchroProblem[]> {
  const keys = tables.flatMap(foreignKeys);
  const missing = await ownQuery<{ readonly n: number }>(
    dataSource,
    `SELECT (k.n - 1)::integer AS n FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS k (relation, fk, n)
      WHERE NOT EXISTS (
        SELECT FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
         WHERE i.indrelid = k.relation::regclass AND a.attname = k.fk AND i.indisvalid AND i.indpred IS NULL)
      ORDER BY k.n`,
    [keys.map(({ relation }) => relation), keys.map(({ column }) => column)],
  );
  return missing.flatMap(({ n }) => {
    const key = keys[n];
    if (!key) return [];
    const { entity, option, relation, column } = key;
    return [
      {
        code: 'index_missing',
        entity,
        option,
        message: `no index of ${relation} begins with ${column}: each row that moves, or each request of a member, makes the whole table be read`,
        fix: `CREATE INDEX CONCURRENTLY ON ${relation} (${quoteIdentifier(column)});`,
      },
    ];
  });
}

function foreignKeys({
  entity,
  sql,
  parentFkColumn,
  bucketSources,
  members,
}: SyncTable): readonly ForeignKey[] {
  return [
    ...(parentFkColumn === null
      ? []
      : [{ entity, option: 'parentFkColumn', relation: sql, column: parentFkColumn }]),
    ...bucketSources.map(({ schema, relation, fkColumn }) => ({
      entity,
      option: 'bucketSources',
      relation: quoteRelation(schema, relation),
      column: fkColumn,
    })),
    ...(members === null
      ? []
      : [members.userColumn, members.teamColumn].map((column) => ({
          entity,
          option: 'members',
          relation: members.sql,
          column,
        }))),
  ];
}
