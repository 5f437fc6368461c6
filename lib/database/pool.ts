import type { EventEmitter } from 'node:events';
import type { DataSource } from 'typeorm';

const guarded = new WeakSet<EventEmitter>();

/**
 * Lets the host's process outlive a connection that is terminated as soon as it is there, by an administrator or a
 * server that goes down: pg's pool hands it out without a listener for its errors, and TypeORM adds one a moment later.
 * What is asked of it fails all the same.
 */
export function outliveNewConnections({ driver }: DataSource): void {
  const { master: pool } = driver as { readonly master?: EventEmitter };
  if (!pool || guarded.has(pool)) return;
  guarded.add(pool);
  pool.on('connect', (client: EventEmitter) => client.on('error', () => undefined));
}

/** The size of a pool of `pg` without a configured size. */
const DEFAULT_SIZE = 10;

/** How many connections the host's pool may have. */
export function poolSize({ driver }: DataSource): number {
  const { master } = driver as { readonly master?: { readonly options?: { readonly max?: unknown } } };
  const max = master?.options?.max;
  return typeof max === 'number' && max > 0 ? max : DEFAULT_SIZE;
}
