import type { EntityClass } from '../registry/entity-class.js';
import type { BeforeApplyEvent, WriteRejection } from '../settings/hook-events.js';
import type { HookHandler, HookName } from '../settings/synchro-hooks.js';

/** Metadata that a decorator stores on its method. */
export interface HookMark {
  readonly name: HookName;
  /** Only writes of this entity's table; undefined: of every table. */
  readonly entity?: () => EntityClass;
}

type MethodDecorator<Handler> = <Method extends Handler>(
  target: object,
  key: string | symbol,
  descriptor: TypedPropertyDescriptor<Method>,
) => void;

/** {@link SynchroHooks.onPushAccepted} as a method of any provider. */
export const OnPushAccepted = hookDecorator('onPushAccepted');
/** {@link SynchroHooks.onConflict} as a method of any provider. */
export const OnConflict = hookDecorator('onConflict');
/** {@link SynchroHooks.onPullComplete} as a method of any provider. */
export const OnPullComplete = hookDecorator('onPullComplete');
/** {@link SynchroHooks.onSchemaIncompatible} as a method of any provider. */
export const OnSchemaIncompatible = hookDecorator('onSchemaIncompatible');
/** {@link SynchroHooks.onStaleClient} as a method of any provider. Every one of them has to allow the client. */
export const OnStaleClient = hookDecorator('onStaleClient');
/** {@link SynchroHooks.onCompaction} as a method of any provider. */
export const OnCompaction = hookDecorator('onCompaction');
/** {@link SynchroHooks.onSnapshotRequired} as a method of any provider. */
export const OnSnapshotRequired = hookDecorator('onSnapshotRequired');

/**
 * {@link SynchroHooks.beforeApply} as a method of any provider.
 * @param entity only writes of this entity's table, e.g. `@BeforeApply(() => Task)`. Default: of every table.
 */
export function BeforeApply<Entity extends object = object>(
  entity?: () => EntityClass<Entity>,
): MethodDecorator<
  (event: BeforeApplyEvent<Entity>) => WriteRejection | void | Promise<WriteRejection | void>
> {
  return mark({ name: 'beforeApply', ...(entity ? { entity } : {}) });
}

function hookDecorator<Name extends HookName>(name: Name): () => MethodDecorator<HookHandler<Name>> {
  return () => mark({ name });
}

// Symbol.for: source and build of this package, loaded side by side, must read each other's decorations.
const METADATA = Symbol.for('nestjs-synchro:hooks');

function mark(note: HookMark): MethodDecorator<unknown> {
  return (_target, _key, { value }) => {
    if (typeof value === 'function') Reflect.defineMetadata(METADATA, [...hookMarks(value), note], value);
  };
}

/** The hooks that a method was decorated with. */
export function hookMarks(method: object): readonly HookMark[] {
  return (Reflect.getOwnMetadata(METADATA, method) as readonly HookMark[] | undefined) ?? [];
}
