import { Inject, Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { parseTimestamp, truncateMicros } from '../common/timestamp.js';
import type { Conflict, Resolution } from '../settings/conflict.js';
import { SYNCHRO_OPTIONS } from '../settings/synchro.options.js';
import type { SynchroSettings } from '../settings/synchro.settings.js';

/**
 * Decides between a client's change and the server's row. Override it through `forRoot({ providers })`. An error
 * costs this change alone, and the device sends it again.
 */
export abstract class ConflictResolver {
  /**
   * @param manager the push's transaction. For reading: what is written with it may be undone. Query with it rather than
   *   with another connection: where the pool has no more, the push would wait for itself
   */
  abstract resolve(conflict: Conflict, manager: EntityManager): Resolution | Promise<Resolution>;
}

/**
 * Last write wins, with the base version (docs/conflicts.md): a client that changed the server's current
 * version wins; otherwise the later time wins, and the client's clock is helped by `clockSkewTolerance`.
 * A base ahead of the server (a long transaction stamped its start over a later write) is treated like one
 * behind it (interleavings 14); the base is compared at its own precision (Swift keeps milliseconds).
 */
@Injectable()
export class LwwResolver extends ConflictResolver {
  constructor(
    @Inject(SYNCHRO_OPTIONS) private readonly options: Pick<SynchroSettings, 'clockSkewTolerance'>,
  ) {
    super();
  }

  override resolve(conflict: Conflict): Resolution {
    const server = parseTimestamp(conflict.serverTime)?.micros ?? 0n;
    const base = conflict.baseVersion === null ? null : parseTimestamp(conflict.baseVersion);
    if (base !== null && truncateMicros(server, base.digits) === base.micros) {
      return { winner: 'client', reason: 'server unchanged since base version' };
    }
    const skew = BigInt(this.options.clockSkewTolerance) * 1000n;
    const client = (parseTimestamp(conflict.clientTime)?.micros ?? 0n) + skew;
    if (client <= server) return { winner: 'server', reason: 'server version is newer' };
    return {
      winner: 'client',
      reason: base === null ? 'client timestamp newer (LWW)' : 'client timestamp newer (LWW with base)',
    };
  }
}

/** The server's version always stays. */
@Injectable()
export class ServerWinsResolver extends ConflictResolver {
  override resolve(): Resolution {
    return { winner: 'server', reason: 'server always wins' };
  }
}
