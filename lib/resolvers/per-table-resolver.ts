import type { EntityManager } from 'typeorm';
import type { Conflict, Resolution } from '../settings/conflict.js';
import { ConflictResolver } from './conflict-resolver.js';

/**
 * Leaves each table's conflicts to a resolver of its own, and those of all others to a fallback:
 *
 * ```ts
 * {
 *   provide: ConflictResolver,
 *   inject: [ServerWinsResolver, LwwResolver],
 *   useFactory: (serverWins: ServerWinsResolver, lww: LwwResolver) =>
 *     new PerTableResolver({ invoices: serverWins }, lww),
 * }
 * ```
 */
export class PerTableResolver extends ConflictResolver {
  private readonly resolvers: ReadonlyMap<string, ConflictResolver>;

  /**
   * @param resolvers by the wire name of the table; a name that is no synced table's is refused at start
   * @param fallback for all other tables
   */
  constructor(
    resolvers: Readonly<Record<string, ConflictResolver>>,
    private readonly fallback: ConflictResolver,
  ) {
    super();
    this.resolvers = new Map(Object.entries(resolvers));
  }

  /** The tables that have a resolver of their own. */
  get tables(): readonly string[] {
    return [...this.resolvers.keys()];
  }

  override resolve(conflict: Conflict, manager: EntityManager): Resolution | Promise<Resolution> {
    return (this.resolvers.get(conflict.table) ?? this.fallback).resolve(conflict, manager);
  }

  /** Those that it asks. */
  get all(): readonly ConflictResolver[] {
    return [...this.resolvers.values(), this.fallback];
  }
}
