import type { DataSource } from 'typeorm';
import { ownQuery } from '../../database/query-log/own-query.js';
import type { SynchroProblem } from '../../common/errors.js';
import { quoteIdentifier } from '../../common/identifiers.js';
import type { SyncTable } from '../../registry/sync-table.js';

interface Trap {
  readonly n: number;
  readonly columns: string[];
  readonly zone: string;
  readonly role: string;
  readonly database: string;
}

/**
 * Times without a zone, where the sessions of the app are not in UTC: their `now()` is the local time there, and sync
 * reads it as UTC.
 */
export async function timeZoneProblems(
  dataSource: DataSource,
  tables: readonly SyncTable[],
): Promise<readonly SynchroProblem[]> {
  const traps = await ownQuery<Trap>(
    dataSource,
    `SELECT (w.n - 1)::integer AS n, array_agg(a.attname::text ORDER BY a.attnum) AS columns,
            current_setting('TimeZone') AS zone, current_user::text AS role, current_database()::text AS database
       FROM unnest($1::text[]) WITH ORDINALITY AS w (relation, n)
       JOIN pg_attribute a ON a.attrelid = w.relation::regclass AND a.attnum > 0
        AND a.atttypid = 'timestamp'::regtype
      WHERE extract(timezone FROM now()) <> 0
         OR extract(timezone FROM now() + interval '6 months') <> 0
      GROUP BY w.n ORDER BY w.n`,
    [tables.map(({ sql }) => sql)],
  );
  return traps.flatMap(({ n, columns, zone, role, database }) => {
    const table = tables[n];
    if (!table) return [];
    const [one, other] = [role, database].map(quoteIdentifier);
    return [
      {
        code: 'time_zone_trap',
        entity: table.entity,
        option: columns.join(', '),
        message: `a timestamp without time zone is written in the time of ${zone} by now(), and read as UTC by sync`,
        fix: `ALTER ROLE ${one} IN DATABASE ${other} SET TimeZone = 'UTC'; for new connections; or make the columns timestamptz`,
      },
    ];
  });
}
