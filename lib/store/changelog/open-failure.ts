/**
 * The unique key of open rule failures, as `ON CONFLICT` names it: a hash, as any key can have failed, however long.
 */
export const OPEN_FAILURE = '(table_name, hashtextextended(record_id, 0)) WHERE resolved_at IS NULL';
