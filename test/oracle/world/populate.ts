import { keyType, tableOf, TABLES, type WorldTable } from './tables.js';

/** Rows of each kind and user. */
const EACH = 3;

/** A few rows of every kind for everybody, the same ones every time; some are deleted, some shared. */
export function populateSql(users: readonly string[]): string {
  return [
    ...users.flatMap((user, n) => TABLES.map((table) => rowsSql(table, user, n))),
    `INSERT INTO team_members SELECT 'blue', '${users[1]}' ON CONFLICT DO NOTHING`,
    `INSERT INTO note_shares SELECT id, '${users[0]}' FROM notes WHERE user_id = '${users[1]}' AND rank = 1`,
    `INSERT INTO sheet_members SELECT id, '${users[0]}', true FROM sheets WHERE user_id = '${users[1]}'`,
    `INSERT INTO watches SELECT id, '${users[2]}' FROM tasks WHERE rank = 1 ON CONFLICT DO NOTHING`,
  ].join(';\n');
}

function rowsSql({ name, owner, team, parent, everyone }: WorldTable, user: string, n: number): string {
  const id = (table: string): string => {
    const digest = `md5('${table} ${user} ' || i)`;
    return tableOf(table).keys === 'bigint'
      ? `('x' || left(${digest}, 15))::bit(60)::bigint`
      : `${digest}::uuid`;
  };
  const values: Readonly<Record<string, string>> = {
    id: `${id(name)}::${keyType(tableOf(name))}`,
    title: `'text ' || 'of ${user} ' || i`,
    rank: 'i',
    deleted_at: `CASE WHEN i = ${EACH} THEN now() END`,
    ...(owner && { user_id: everyone ? `CASE WHEN i > 1 THEN '${user}' END` : `'${user}'` }),
    ...(team && { team: `'${n % 2 === 0 ? 'red' : 'blue'}'` }),
    ...(parent && { [parent.fk]: id(parent.table) }),
  };
  return `INSERT INTO ${name} (${Object.keys(values).join(', ')})
    SELECT ${Object.values(values).join(', ')} FROM generate_series(1, ${EACH}) AS i`;
}
