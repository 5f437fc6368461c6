import type { INestApplicationContext } from '@nestjs/common';
import type { CaughtUpOptions } from '../engine/admin/caught-up.js';
import { SyncEngine } from '../engine/sync-engine.js';

/**
 * Resolves once what the test has written is in the changelog, so that a device's next pull has it.
 * @throws SynchroError `not_caught_up`
 */
export function caughtUp(app: INestApplicationContext, options?: CaughtUpOptions): Promise<void> {
  return app.get(SyncEngine, { strict: false }).caughtUp(options);
}
