import type { EntityClass } from './entity-class.js';
import type { SyncTableOptions } from './sync-table.options.js';

// Symbol.for: source and build of this package, loaded side by side, must read each other's decorations.
const METADATA = Symbol.for('nestjs-synchro:sync-table');

/** The class that `@SyncTable` decorates, as far as it needs to know it. */
type EntityDecorator<Entity extends object> = <Target extends EntityClass<Entity>>(target: Target) => void;

/**
 * Registers a TypeORM entity for sync. Everything that TypeORM already knows (table, primary key,
 * `@UpdateDateColumn`, `@DeleteDateColumn`, the parent's foreign key) is taken from there.
 *
 * `@SyncTable<Task>({ ownerColumn: … })` lets editors offer the entity's properties.
 */
export function SyncTable<Entity extends object = object>(
  options: SyncTableOptions<NoInfer<Entity>> = {},
): EntityDecorator<Entity> {
  return (target) => Reflect.defineMetadata(METADATA, options, target);
}

/** The options that a class itself was decorated with; a base class's decoration is not inherited. */
export function syncTableOptions(target: object): SyncTableOptions | undefined {
  return Reflect.getOwnMetadata(METADATA, target) as SyncTableOptions | undefined;
}
