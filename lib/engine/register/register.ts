import { Inject, Injectable } from '@nestjs/common';
import { HookRunner } from '../../hooks/hook-runner.js';
import { SubscribedBuckets } from '../../resolvers/subscribed-buckets.js';
import type { SchemaContract } from '../../schema/schema-contract.js';
import { SYNCHRO_OPTIONS } from '../../settings/synchro.options.js';
import type { SynchroSettings } from '../../settings/synchro.settings.js';
import { type Registration, saveRegistration } from '../../store/clients/sync-clients.js';
import { Requests } from '../request/requests.js';
import type { Bucketed, SyncRequest } from '../request/sync-request.js';
import { checkVersion, gated } from '../request/version-gate.js';
import { storable } from '../rows/ascii-names.js';

export interface RegisterRequest
  extends SyncRequest, Pick<Registration, 'clientName' | 'platform' | 'appVersion'> {}

export interface RegisterResult {
  readonly id: string;
  /** RFC 3339; null before its first sync. */
  readonly lastSyncAt: string | null;
  readonly checkpoint: bigint;
  readonly contract: SchemaContract;
}

/** Registers a device, or brings what is known of it up to date. */
@Injectable()
export class Register {
  constructor(
    private readonly requests: Requests,
    private readonly subscriptions: SubscribedBuckets,
    private readonly hooks: HookRunner,
    @Inject(SYNCHRO_OPTIONS) private readonly settings: Pick<SynchroSettings, 'minClientVersion' | 'limits'>,
  ) {}

  async run(request: RegisterRequest): Promise<RegisterResult> {
    const asked = { ...request, buckets: await this.subscriptions.of(request) };
    const { userId, clientId, appVersion: clientVersion } = request;
    const { minClientVersion: minVersion } = this.settings;
    return gated(
      this.hooks,
      () => ({ userId, clientId, clientVersion, minVersion }),
      () => storable(request, (names) => this.save({ ...asked, ...names })),
    );
  }

  private save(request: Bucketed<RegisterRequest>): Promise<RegisterResult> {
    const { contexts, transactions } = this.requests;
    const { minClientVersion, limits } = this.settings;
    const opening = contexts.opening({ ...request, bootstrap: true });
    return transactions.write(opening, async (manager, { client, contract }) => {
      checkVersion(request.appVersion, minClientVersion);
      const id = await saveRegistration(manager, request, request.buckets, limits.clientsPerUser);
      const { lastSyncAt = null, acknowledged = null } = client ?? {};
      return { id, lastSyncAt, checkpoint: acknowledged ?? 0n, contract };
    });
  }
}
