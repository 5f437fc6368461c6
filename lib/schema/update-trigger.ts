import { quoteIdentifier, quoteLiteral, quoteRelation } from '../common/identifiers.js';
import type { SyncTable } from '../registry/sync-table.js';

/**
 * The statements that make a trigger which moves a table's update time. A time that the writer sets himself stays; any
 * other one moves on.
 */
export function updateTriggerSql(
  { schema, name, sql }: Pick<SyncTable, 'schema' | 'name' | 'sql'>,
  updatedAtColumn: string,
): string {
  const column = quoteIdentifier(updatedAtColumn);
  const touch = quoteRelation(schema, `${name}_touch`.slice(0, 63));
  const body = `BEGIN IF NEW.${column} IS NOT DISTINCT FROM OLD.${column} THEN NEW.${column} := clock_timestamp(); END IF; RETURN NEW; END`;
  return [
    `CREATE OR REPLACE FUNCTION ${touch}() RETURNS trigger LANGUAGE plpgsql AS ${quoteLiteral(body)};`,
    `CREATE TRIGGER ${quoteIdentifier('touch')} BEFORE UPDATE ON ${sql} FOR EACH ROW EXECUTE FUNCTION ${touch}();`,
  ].join(' ');
}
