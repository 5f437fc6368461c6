import { Injectable } from '@nestjs/common';
import { DiscoveryService, MetadataScanner } from '@nestjs/core';
import { SynchroError } from '../common/errors.js';
import { hookMarks, type HookMark } from './hook.decorators.js';

/** A decorated method, bound to its provider. */
export interface FoundHook extends HookMark {
  /** `Class.method`, for messages. */
  readonly label: string;
  readonly call: (event: never) => unknown;
}

type Wrapper = ReturnType<DiscoveryService['getProviders']>[number];

/** Finds the methods that are decorated as hooks, among all providers and controllers of the app. */
@Injectable()
export class HookExplorer {
  constructor(
    private readonly discovery: DiscoveryService,
    private readonly scanner: MetadataScanner,
  ) {}

  /**
   * @returns each method of each instance once, in the order of the modules
   * @throws SynchroError `configuration_invalid` for a method of a request-scoped or transient provider: outside a
   *   request there is no instance to call
   */
  explore(): readonly FoundHook[] {
    const seen = new Set<object>();
    const wrappers = [...this.discovery.getProviders(), ...this.discovery.getControllers()];
    return wrappers.flatMap((wrapper) => {
      const instance: unknown = wrapper.instance;
      if (typeof instance !== 'object' || instance === null || seen.has(instance)) return [];
      seen.add(instance);
      return this.hooksOf(wrapper, instance);
    });
  }

  private hooksOf(wrapper: Wrapper, instance: object): readonly FoundHook[] {
    const prototype = Object.getPrototypeOf(instance) as object | null;
    if (prototype === null) return [];
    const methods = instance as Record<string, unknown>;
    return this.scanner.getAllMethodNames(prototype).flatMap((name) => {
      const method = methods[name];
      if (typeof method !== 'function') return [];
      const label = `${instance.constructor.name}.${name}`;
      return hookMarks(method).map((mark) => {
        if (!wrapper.isDependencyTreeStatic() || wrapper.isTransient) throw scoped(label, mark);
        return { ...mark, label, call: method.bind(instance) as FoundHook['call'] };
      });
    });
  }
}

function scoped(label: string, { name }: HookMark): SynchroError {
  return new SynchroError(
    'configuration_invalid',
    `${label} is decorated as the hook ${name}, but its provider is request-scoped or transient`,
    'make the provider a singleton (the default scope), as hooks are called outside any request of its own',
  );
}
