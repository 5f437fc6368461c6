import semver from 'semver';
import { SynchroError } from '../common/errors.js';
import type { SchemaIncompatibleEvent } from '../hooks/hook-events.js';
import type { HookRunner } from '../hooks/hook-runner.js';

/**
 * Refuses app versions below the minimum. Pre-release and build parts don't count (wire-protocol §1); a client that
 * doesn't say its version passes.
 * @throws SynchroError `upgrade_required`, or `bad_request` for what is no version
 */
export function checkVersion(version: string, minimum: string | undefined): void {
  if (version === '' || minimum === undefined || minimum === '') return;
  const asked = semver.parse(version);
  if (!asked) throw new SynchroError('bad_request', `app_version is not a semantic version: ${version}`);
  if (asked.compareMain(minimum) < 0) throw new SynchroError('upgrade_required', 'client upgrade required');
}

/** Runs what may refuse a client for its version; tells the host if it does, and throws on. */
export async function gated<Result>(
  hooks: HookRunner,
  event: () => SchemaIncompatibleEvent,
  work: () => Result | Promise<Result>,
): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    const isRefused = error instanceof SynchroError && error.code === 'upgrade_required';
    if (isRefused) await hooks.inform('onSchemaIncompatible', event());
    throw error;
  }
}
