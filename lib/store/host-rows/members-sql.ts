import { isUuidSql } from '../../common/canonical-id.js';
import { quoteIdentifier, quoteLiteral } from '../../common/identifiers.js';
import type { ResolvedMembers, SyncTable } from '../../registry/sync-table.js';

/**
 * A boolean SQL expression: may this user write the rows of this team, as a member?
 * @param team an expression of the type of the team column; null gives false
 * @param user a text expression of the canonical user id, e.g. `$2::text`
 */
export function memberWritesSql(members: ResolvedMembers, team: string, user: string): string {
  const writers = members.writers.map(
    ([column, values]) =>
      `m.${quoteIdentifier(column)}::text IN (${values.map(quoteLiteral).join(', ') || 'NULL'})`,
  );
  const tests = [
    `m.${quoteIdentifier(members.teamColumn)} = ${team}`,
    isMemberSql(members, user),
    ...writers,
  ];
  // OFFSET 0: one probe of an index for each row. The planner, which knows not how few rows are named, would else read
  // all teams of the user, and hash them.
  return `EXISTS (SELECT FROM ${members.sql} AS m WHERE ${tests.join(' AND ')} OFFSET 0)`;
}

/** A query for the texts of the teams whose members the user is, whether they write or not, as the table has them. */
export function teamsSql(members: ResolvedMembers, user: string): string {
  const team = `m.${quoteIdentifier(members.teamColumn)}::text COLLATE "C"`;
  return `SELECT ${team} AS team FROM ${members.sql} AS m WHERE ${isMemberSql(members, user)} ORDER BY team`;
}

/**
 * A boolean SQL expression: may a row be where its new values put it? A row goes only to a team of whose writers its user
 * is, or stays where it is; beside an owner it may be in none.
 *
 * @param wanted the new value of the team column; undefined where the change says none, so that it stays
 * @param held the value before; undefined for a new row
 */
export function wantedTeamSql(
  { members, ownerColumn, idColumn }: SyncTable,
  { wanted, held }: { readonly wanted: string | undefined; readonly held: string | undefined },
  user: string,
): string {
  if (members === null) return 'true';
  const isBesideOwner = ownerColumn !== null && members.owner;
  // The key of a new row is no team yet: its members come once it is there.
  if (members.column === idColumn && isBesideOwner) return 'true';
  if (wanted === undefined) return held === undefined && !isBesideOwner ? 'false' : 'true';
  const tests = [memberWritesSql(members, wanted, user)];
  if (isBesideOwner) tests.push(`${wanted} IS NULL`);
  if (held !== undefined) tests.push(`${wanted} IS NOT DISTINCT FROM ${held}`);
  return `(${tests.join(' OR ')})`;
}

/**
 * In a form that can use an index. A UUID that is stored as text may be in capitals. Sub-selects: what depends on the user
 * alone is worked out once for each statement, not for each row of the other table.
 */
function isMemberSql({ userColumn, userType }: ResolvedMembers, user: string): string {
  const column = `m.${quoteIdentifier(userColumn)}`;
  switch (userType) {
    case 'uuid':
      return `${column} = (SELECT (CASE WHEN ${isUuidSql(user)} THEN ${user} END)::uuid)`;
    case 'bigint':
      return `${column} = (SELECT (CASE WHEN ${user} ~ '^(0|-?[1-9][0-9]{0,17})$' THEN ${user} END)::bigint)`;
    default:
      return `${column}::text IN (${user}, (SELECT CASE WHEN ${isUuidSql(user)} THEN upper(${user}) END))`;
  }
}
