import { HttpException, Inject, Injectable, type OnModuleInit } from '@nestjs/common';
import type { DataSource } from 'typeorm';
import { upsert } from '../common/collections.js';
import { describeError, stackOf } from '../common/describe-error.js';
import { SynchroError } from '../common/errors.js';
import { SyncLogger } from '../common/sync-logger.js';
import type { EntityClass } from '../registry/entity-class.js';
import { syncTableOptions } from '../registry/sync-table.decorator.js';
import { SYNC_DATA_SOURCE } from '../database/data-source.token.js';
import { asHost } from '../database/query-log/query-log.js';
import { SYNCHRO_OPTIONS } from '../settings/synchro.options.js';
import type { SynchroSettings } from '../settings/synchro.settings.js';
import type {
  BeforeApplyEvent,
  PushAcceptedEvent,
  StaleClientEvent,
  WriteRejection,
} from '../settings/hook-events.js';
import { HookExplorer } from './hook-explorer.js';
import type { HookHandler, HookName } from '../settings/synchro-hooks.js';
import { WriteRejectedError } from './write-rejected.error.js';

/** Hooks that can't change what happens. */
export type InformingHook = Exclude<HookName, 'onPushAccepted' | 'onStaleClient' | 'beforeApply'>;

type HookEvent<Name extends HookName> = Parameters<HookHandler<Name>>[0];

interface Hook {
  /** For messages. */
  readonly label: string;
  /** Wire name of the hook's only table; null: all. */
  readonly table: string | null;
  readonly call: (event: never) => unknown;
}

/** Calls the host's hooks: the callbacks of the options, then the decorated methods. */
@Injectable()
export class HookRunner implements OnModuleInit {
  private readonly logger: SyncLogger;
  private readonly hooks = new Map<HookName, Hook[]>();

  constructor(
    @Inject(SYNCHRO_OPTIONS) private readonly options: Pick<SynchroSettings, 'hooks' | 'logger'>,
    @Inject(SYNC_DATA_SOURCE) private readonly dataSource: DataSource,
    @Inject(HookExplorer) private readonly explorer: Pick<HookExplorer, 'explore'>,
  ) {
    this.logger = new SyncLogger(options.logger, 'SynchroHooks');
  }

  onModuleInit(): void {
    for (const [name, call] of Object.entries(this.options.hooks)) {
      if (typeof call !== 'function') continue;
      this.hooks.set(name as HookName, [{ label: `hooks.${name}`, table: null, call: call as Hook['call'] }]);
    }
    for (const { name, label, entity, call } of this.explorer.explore()) {
      const target = entity?.();
      if (target) requireSynced(target, label);
      // Of another DataSource's, whose own sync asks the hook.
      if (target && !this.dataSource.hasMetadata(target)) continue;
      const table = target ? this.dataSource.getMetadata(target).tableName : null;
      upsert(this.hooks, name, () => []).push({ label, table, call });
    }
  }

  /** Whether anybody listens to anything. */
  get any(): boolean {
    return this.hooks.size > 0;
  }

  /** Whether anybody listens. */
  has(name: HookName): boolean {
    return this.hooks.has(name);
  }

  /** @throws what a hook throws */
  async pushAccepted(event: PushAcceptedEvent): Promise<void> {
    for (const call of this.calls('onPushAccepted')) await asErrorOfHost(event, async () => call(event));
  }

  /** Whether every hook lets the client sync. @throws what a hook throws */
  async allowsStaleClient(event: StaleClientEvent): Promise<boolean> {
    for (const call of this.calls('onStaleClient')) {
      if (!(await asErrorOfHost(event, async () => call(event)))) return false;
    }
    return true;
  }

  /**
   * Asks until one refuses.
   * @throws what a hook throws that is no refusal
   */
  async rejection(event: BeforeApplyEvent): Promise<WriteRejection | null> {
    for (const call of this.calls('beforeApply', event.table)) {
      const refused = await refusal(event, async () => call(event));
      if (refused) return refused;
    }
    return null;
  }

  /** An error of a hook is logged, and changes nothing. */
  async inform<Name extends InformingHook>(name: Name, event: HookEvent<Name>): Promise<void> {
    for (const { label, call } of this.hooks.get(name) ?? []) {
      try {
        await call(event as never);
      } catch (error) {
        this.logger.error('a hook failed', {
          hook: label,
          error: describeError(error),
          stack: stackOf(error),
        });
      }
    }
  }

  private calls<Name extends HookName>(name: Name, table?: string): readonly HookHandler<Name>[] {
    return (this.hooks.get(name) ?? [])
      .filter((hook) => hook.table === null || hook.table === table)
      .map(({ call }) => call as HookHandler<Name>);
  }
}

/** An error of sync within a hook (an unknown device, a bad id) says nothing about the device of this request. */
async function asErrorOfHost<Answer>(
  { manager }: PushAcceptedEvent | StaleClientEvent,
  call: () => Promise<Answer>,
): Promise<Answer> {
  try {
    return await asHost(manager, call);
  } catch (error) {
    if (!(error instanceof SynchroError) || error.code === 'temporarily_unavailable') throw error;
    throw new Error(`a hook was refused: ${error.message}`, { cause: error });
  }
}

async function refusal(
  { manager }: BeforeApplyEvent,
  ask: () => Promise<WriteRejection | void>,
): Promise<WriteRejection | null> {
  try {
    return (await asHost(manager, ask)) ?? null;
  } catch (error) {
    if (error instanceof WriteRejectedError) return { reason: error.reason, message: error.message };
    // Services that a host shares with its own controllers refuse in Nest's way.
    if (error instanceof HttpException && error.getStatus() < 500)
      return { reason: 'write_rejected', message: error.message };
    throw error;
  }
}

function requireSynced(entity: EntityClass, label: string): void {
  if (syncTableOptions(entity) !== undefined) return;
  throw new SynchroError(
    'configuration_invalid',
    `${label} is to be asked before writes of ${entity.name}, which is not synced`,
    `decorate ${entity.name} with @SyncTable(), or name another entity`,
  );
}
