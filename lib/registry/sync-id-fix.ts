import { quoteIdentifier } from '../common/identifiers.js';
import type { SyncTable } from './sync-table.js';

/** The SQL that adds an id for devices beside the existing key (docs/tables-and-buckets.md#keys). */
export function syncIdFix({ sql, name }: Pick<SyncTable, 'sql' | 'name'>): string {
  const constraint = quoteIdentifier(`${name}_sync_id`.slice(0, 63));
  return [
    `ALTER TABLE ${sql} ADD COLUMN sync_id uuid NOT NULL DEFAULT gen_random_uuid() CONSTRAINT ${constraint} UNIQUE`,
    `ALTER TABLE ${sql} REPLICA IDENTITY USING INDEX ${constraint}`,
    `add the column to the entity, and idColumn: 'sync_id' to its @SyncTable`,
  ].join('; ');
}
