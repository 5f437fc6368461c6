import { eventually } from '../support/wait.js';
import { deleteRows, insertRows } from './host-rows.js';
import { isDisturbance, probeOf, pushOne } from './probe.js';
import type { Site } from './site.js';
import type { SiteApp } from './site-app.js';

/** How long it took from the call, in milliseconds. */
export interface Recovery {
  /** Until a push was accepted by every app. */
  readonly push: number;
  /** Until a row that was committed at the call was pulled by a device of every app. */
  readonly pull: number;
}

export interface RecoveryOptions {
  /** Milliseconds. Default: 120,000. */
  readonly limit?: number;
}

/**
 * Measures, once a fault is over, how long it takes until devices of every app can push and get what was committed.
 * @throws Error naming what was still down at the limit; at once what no disturbance explains, such as a 500
 */
export async function measureRecovery(
  site: Site,
  { limit = 120_000 }: RecoveryOptions = {},
): Promise<Recovery> {
  const began = performance.now();
  const results = await Promise.all(site.apps.map((app) => recover(site, app, began, limit)));
  return {
    push: Math.round(Math.max(...results.map(({ push }) => push))),
    pull: Math.round(Math.max(...results.map(({ pull }) => pull))),
  };
}

async function recover(site: Site, app: SiteApp, began: number, limit: number): Promise<Recovery> {
  const { table } = site.host;
  const probe = probeOf(app);
  const [committed = ''] = await insertRows(site, 1, probe.userId);
  const pushed = await untilIt('accept a push', app, began, limit, () => pushOne(site, app));
  const push = performance.now() - began;
  await untilIt('bring a committed row', app, began, limit, async () => {
    // An app's start: columns may have been added since.
    await probe.start();
    if (!probe.rows(table).has(committed)) throw new RowMissingError(`row ${committed} is not there`);
  });
  const pull = performance.now() - began;
  await deleteRows(site, [committed, pushed ?? '']);
  return { push, pull };
}

class RowMissingError extends Error {}

async function untilIt(
  what: string,
  app: SiteApp,
  began: number,
  limit: number,
  attempt: () => Promise<string | void>,
): Promise<string | void> {
  let last: unknown;
  // What can't pass by waiting is told at once.
  const outcome = await eventually(
    async () => {
      try {
        return { value: await attempt() };
      } catch (error) {
        if (!isDisturbance(error) && !(error instanceof RowMissingError)) return { error };
        last = error;
        return false;
      }
    },
    { timeout: Math.max(0, limit - (performance.now() - began)), interval: 50 },
  ).catch(() => {
    throw new Error(
      `${app.name} did not ${what} within ${limit} ms after the fault: ${String(last)}\n${app.output().slice(-4_000)}`,
    );
  });
  if ('value' in outcome) return outcome.value;
  throw outcome.error;
}
