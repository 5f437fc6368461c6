import type { DataSource } from 'typeorm';
import { ownQuery } from '../../database/query-log/own-query.js';
import type { SynchroProblem } from '../../common/errors.js';
import type { SyncTable } from '../../registry/sync-table.js';
import { updateTriggerSql } from '../../schema/update-trigger.js';

/**
 * Tables in which no trigger moves the update time. TypeORM moves it itself, but SQL that forgets it leaves the row
 * with the version that devices know: an older edit of theirs then wins over it. Advice, as not all apps have such SQL.
 */
export async function updatedAtProblems(
  dataSource: DataSource,
  tables: readonly SyncTable[],
): Promise<readonly SynchroProblem[]> {
  const pushed = tables.flatMap((table) => {
    const { pushPolicy, updatedAtColumn } = table;
    return pushPolicy === 'disabled' || updatedAtColumn === null ? [] : { table, updatedAtColumn };
  });
  const still = await ownQuery<{ readonly n: number }>(
    dataSource,
    `SELECT (w.n - 1)::integer AS n FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS w (relation, updated_at, n)
      WHERE NOT EXISTS (
        SELECT FROM pg_trigger t JOIN pg_proc f ON f.oid = t.tgfoid
         WHERE t.tgrelid = w.relation::regclass AND t.tgenabled IN ('O', 'A') AND NOT t.tgisinternal
           AND t.tgtype::integer & ${BEFORE_UPDATE_ROW} = ${BEFORE_UPDATE_ROW}
           -- The function names the column itself, or is given its name, as moddatetime is.
           AND (strpos(f.prosrc, w.updated_at) > 0 OR strpos(encode(t.tgargs, 'escape'), w.updated_at) > 0))
      ORDER BY w.n`,
    [pushed.map(({ table }) => table.sql), pushed.map(({ updatedAtColumn }) => updatedAtColumn)],
  );
  return still.flatMap(({ n }) => {
    const found = pushed[n];
    return found ? [problem(found.table, found.updatedAtColumn)] : [];
  });
}

/** Bits of pg_trigger.tgtype: for each row (1), before (2), on update (16). */
const BEFORE_UPDATE_ROW = 1 + 2 + 16;

function problem(table: SyncTable, updatedAtColumn: string): SynchroProblem {
  return {
    code: 'updated_at_stale',
    entity: table.entity,
    option: 'updatedAtColumn',
    message: `an UPDATE in SQL that does not set ${updatedAtColumn} of ${table.sql} leaves it as it is, so an older edit of a device would win over it (TypeORM's own updates set it)`,
    fix: updateTriggerSql(table, updatedAtColumn),
    isAdvice: true,
  };
}
