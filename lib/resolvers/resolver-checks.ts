import { Inject, Injectable, Scope, type OnModuleInit, type Provider, type Type } from '@nestjs/common';
import { ModuleRef } from '@nestjs/core';
import { SynchroError } from '../common/errors.js';
import { SyncRegistry } from '../registry/sync-registry.js';
import { ConflictResolver } from './conflict-resolver.js';
import { OwnershipResolver } from './ownership-resolver.js';
import { PerTableResolver } from './per-table-resolver.js';
import { PerTableWritePolicy } from './per-table-write-policy.js';
import { SubscriptionResolver } from './subscription-resolver.js';
import { WritePolicy } from './write-policy.js';

/** The host's `forRoot({ providers })`. */
export const HOST_PROVIDERS = Symbol('SYNCHRO_HOST_PROVIDERS');

type Resolver = OwnershipResolver | ConflictResolver | SubscriptionResolver | WritePolicy;
type Token = abstract new () => Resolver;

const TOKENS: readonly Token[] = [OwnershipResolver, ConflictResolver, SubscriptionResolver, WritePolicy];

/**
 * Refuses resolvers that could not do their work, before anything is served. It injects none of them: a class that is
 * given something request-scoped is itself made for each request, and would never be asked at start.
 */
@Injectable()
export class ResolverChecks implements OnModuleInit {
  constructor(
    private readonly moduleRef: ModuleRef,
    private readonly registry: SyncRegistry,
    @Inject(HOST_PROVIDERS) private readonly providers: readonly Provider[],
  ) {}

  /** @throws SynchroError `configuration_invalid` naming the class */
  onModuleInit(): void {
    for (const token of TOKENS) {
      if (this.moduleRef.introspect(token as Type<Resolver>).scope !== Scope.REQUEST) continue;
      throw new SynchroError(
        'configuration_invalid',
        `${this.providerName(token)}, the ${token.name}, is request-scoped; sync needs one instance for all requests`,
        'make it, and what it injects, a singleton: Scope.DEFAULT',
      );
    }
    const find = <T extends Resolver>(token: abstract new () => T): T => this.moduleRef.get<T>(token);
    checkMethods(find(OwnershipResolver), find(ConflictResolver), find(SubscriptionResolver));
    checkPolicy(find(WritePolicy));
    checkTables(find(ConflictResolver), this.registry);
    checkTables(find(WritePolicy), this.registry);
  }

  private providerName(token: Token): string {
    const provider = this.providers.findLast(
      (each) => typeof each === 'object' && 'provide' in each && each.provide === token,
    );
    if (provider && 'useClass' in provider) return provider.useClass.name;
    if (provider && 'useExisting' in provider && typeof provider.useExisting === 'function') {
      return String(provider.useExisting.name);
    }
    return 'the provider';
  }
}

const RULE_METHODS = ['resolveOwner', 'resolveOwners'] as const;

/** Finds mistakes that JavaScript, a cast or a plain object let through. */
function checkMethods(
  ownership: OwnershipResolver,
  conflicts: ConflictResolver,
  subscriptions: SubscriptionResolver,
): void {
  const isRule = RULE_METHODS.some(
    (method) => ownership[method] !== undefined && ownership[method] !== OwnershipResolver.prototype[method],
  );
  if (!isRule || ownership.resolveOwners === undefined)
    throw missing(ownership, 'OwnershipResolver', 'resolveOwner or resolveOwners');
  if (typeof conflicts.resolve !== 'function') throw missing(conflicts, 'ConflictResolver', 'resolve');
  if (typeof subscriptions.resolveSubscriptions !== 'function') {
    throw missing(subscriptions, 'SubscriptionResolver', 'resolveSubscriptions');
  }
}

function checkPolicy(policy: WritePolicy): void {
  const parts = policy instanceof PerTableWritePolicy ? policy.all : [policy];
  for (const each of parts)
    if (typeof each?.decide !== 'function') throw missing(each ?? policy, 'WritePolicy', 'decide');
}

function missing(resolver: object, base: string, methods: string): SynchroError {
  const { name } = resolver.constructor;
  return new SynchroError(
    'configuration_invalid',
    `${name}, the ${base}, has no ${methods} of its own`,
    `extend ${base} and override ${methods}`,
  );
}

function checkTables(rule: ConflictResolver | WritePolicy, registry: SyncRegistry): void {
  if (!(rule instanceof PerTableResolver || rule instanceof PerTableWritePolicy)) return;
  const unknown = rule.tables.filter((name) => !registry.find(name));
  if (unknown.length === 0) return;
  const known = registry.all().map(({ name }) => name);
  throw new SynchroError(
    'configuration_invalid',
    `${rule.constructor.name}: ${unknown.join(', ')} is not registered for sync`,
    `name synced tables: ${known.join(', ')}`,
  );
}
