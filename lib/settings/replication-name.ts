import { createHash } from 'node:crypto';

/** PostgreSQL's bound for names (NAMEDATALEN). */
const MAX_NAME = 63;

/**
 * The default name of slot and publication: slots are known to the whole server, so it is that of the database. A name
 * that no slot could have is told apart from others like it by a hash.
 */
export function replicationName(database: string): string {
  const name = `synchro_${database}`;
  if (/^[a-z0-9_]+$/.test(name) && name.length <= MAX_NAME) return name;
  const hash = createHash('sha256').update(database).digest('hex').slice(0, 8);
  const plain = name.toLowerCase().replaceAll(/[^a-z0-9_]/g, '_');
  return `${plain.slice(0, MAX_NAME - hash.length - 1)}_${hash}`;
}
