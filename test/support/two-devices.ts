import type { RunningApp } from './app.js';
import type { TestDatabase } from './database.js';
import { Device } from './device.js';
import { applied } from './wal-app.js';

/** Two devices of one user. */
export interface TwoDevices {
  readonly phone: Device;
  readonly tablet: Device;
  /** Brings both everything that was committed before. */
  readonly arrive: () => Promise<void>;
}

/** @param app of `startWalApp` */
export async function twoDevices(app: RunningApp, database: TestDatabase): Promise<TwoDevices> {
  const phone = await Device.started(app.url, 'alice');
  const tablet = await Device.started(app.url, 'alice');
  return {
    phone,
    tablet,
    arrive: async () => {
      await applied(database);
      await tablet.sync();
      await phone.sync();
    },
  };
}
