import { Device, SyncHttpError } from '../support/device.js';
import type { Site } from './site.js';
import type { SiteApp } from './site-app.js';

const probes = new WeakMap<SiteApp, Device>();

/** The device that tries an app out: of a user of its own, and the same one every time. */
export function probeOf(app: SiteApp): Device {
  const probe = probes.get(app) ?? new Device(app.url, `probe-of-${app.name}`);
  probes.set(app, probe);
  return probe;
}

/**
 * Starts the probe as an app's start does, and pushes a row that it makes; returns the row's id.
 * @throws what the request came to
 */
export async function pushOne({ host }: Site, app: SiteApp): Promise<string> {
  const probe = probeOf(app);
  await probe.start();
  const id = probe.create(host.table, host.row);
  const [response] = await probe.pushPending();
  const refused = response?.rejected[0];
  if (refused) throw new Error(`The push to ${app.name} was refused: ${JSON.stringify(refused)}`);
  return id;
}

/** Lets something be pushed, whatever comes of it: what shows that a fault has taken effect is elsewhere. */
export function provokePush(site: Site, app: SiteApp): Promise<void> {
  return pushOne(site, app).then(
    () => undefined,
    (error: unknown) => {
      if (!isDisturbance(error)) throw error;
    },
  );
}

/**
 * What a device gets while something is disturbed: no answer, a 503, or that it is not known or has another schema,
 * for which its app starts again. Anything else is a fault of the app's.
 */
export function isDisturbance(error: unknown): boolean {
  if (error instanceof SyncHttpError) return [404, 409, 503].includes(error.status);
  return error instanceof TypeError && (error.message === 'fetch failed' || error.message === 'terminated');
}
