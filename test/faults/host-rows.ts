import { randomUUID } from 'node:crypto';
import type { Site } from './site.js';

/** Owns the rows that faults make: nobody's device shows them. */
const NOBODY = 'nobody-of-the-faults';

/** Commits rows of the host's table, in one transaction; returns their ids. */
export async function insertRows({ database, host }: Site, count: number, owner = NOBODY): Promise<string[]> {
  const ids = Array.from({ length: count }, () => randomUUID());
  await database.query(host.insertSql, [ids, owner]);
  return ids;
}

export async function deleteRows({ database, host }: Site, ids: readonly string[]): Promise<void> {
  await database.query(`DELETE FROM ${host.table} WHERE id = ANY($1)`, [ids]);
}

/** Commits something that the consumer has to write. */
export async function touch(site: Site): Promise<void> {
  await deleteRows(site, await insertRows(site, 1));
}

export interface LogPosition {
  readonly lastSeq: bigint;
  readonly epochSeq: bigint;
}

export async function logPosition({ database }: Site): Promise<LogPosition> {
  const [row] = await database.query<{ last_seq: string; epoch_seq: string }>(
    'SELECT last_seq, epoch_seq FROM sync_wal_position',
  );
  return { lastSeq: BigInt(row?.last_seq ?? 0), epochSeq: BigInt(row?.epoch_seq ?? 0) };
}
