import type { EntityManager } from 'typeorm';

/** How many contracts the manifest keeps: more than any device or instance that still runs may name. */
const MANIFESTS_KEPT = 100;

/**
 * Forgets a batch of inactive devices without requests for long. Their parked rows stay: they are the user's, and
 * another device may bring the parent.
 * @returns their number
 */
export function removeDeadClients(
  manager: EntityManager,
  milliseconds: number,
  batchSize: number,
): Promise<number> {
  // One that is locked is just coming back.
  return deleted(
    manager,
    `DELETE FROM :sync.sync_clients WHERE id IN (
       SELECT id FROM :sync.sync_clients
        WHERE NOT is_active AND coalesce(snapshot_expires_at, '-infinity') <= now()
          AND greatest(created_at, updated_at, last_sync_at) < now() - $1 * interval '1 millisecond'
        LIMIT $2 FOR UPDATE SKIP LOCKED)`,
    [milliseconds, batchSize],
  );
}

/** Deletes a batch of failures that were resolved long ago. @returns how many */
export function removeResolvedFailures(
  manager: EntityManager,
  milliseconds: number,
  batchSize: number,
): Promise<number> {
  return deleted(
    manager,
    `DELETE FROM :sync.sync_rule_failures WHERE id IN (
       SELECT id FROM :sync.sync_rule_failures WHERE resolved_at < now() - $1 * interval '1 millisecond' LIMIT $2)`,
    [milliseconds, batchSize],
  );
}

/**
 * Deletes all but the latest contracts. The current one stays however old it is: it is in force again after a
 * migration was reverted, and under another version every device would have to start over.
 * @returns how many
 */
export function removeOldManifests(manager: EntityManager, current: bigint): Promise<number> {
  return deleted(
    manager,
    `DELETE FROM :sync.sync_schema_manifest WHERE schema_version <> $1
        AND schema_version <= (SELECT max(schema_version) FROM :sync.sync_schema_manifest) - $2`,
    [current.toString(), MANIFESTS_KEPT],
  );
}

async function deleted(manager: EntityManager, sql: string, values: unknown[]): Promise<number> {
  const [, count]: [unknown[], number] = await manager.query(sql, values);
  return count;
}
