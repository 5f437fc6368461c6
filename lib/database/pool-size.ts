import type { DataSource } from 'typeorm';

/** What `pg` makes of a pool for which no size is given. */
const DEFAULT_SIZE = 10;

/** How many connections the host's pool may have. */
export function poolSize({ driver }: DataSource): number {
  const { master } = driver as { readonly master?: { readonly options?: { readonly max?: unknown } } };
  const max = master?.options?.max;
  return typeof max === 'number' && max > 0 ? max : DEFAULT_SIZE;
}
