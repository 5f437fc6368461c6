import { LwwResolver, ServerWinsResolver, type ConflictResolver } from './conflict-resolver.js';
import { PerTableResolver } from './per-table-resolver.js';

/** Whether a resolver has code of the host's, which may query. A subclass of ours may, too. */
export function isOfHost(resolver: ConflictResolver): boolean {
  if (resolver instanceof PerTableResolver && resolver.constructor === PerTableResolver)
    return resolver.all.some(isOfHost);
  return resolver.constructor !== LwwResolver && resolver.constructor !== ServerWinsResolver;
}
