import semver, { type SemVer } from 'semver';
import { SynchroError } from '../../common/errors.js';
import type { SchemaIncompatibleEvent } from '../../settings/hook-events.js';
import type { HookRunner } from '../../hooks/hook-runner.js';

/**
 * Refuses app versions below the minimum. Pre-release and build parts don't count, and a leading `v` may be there
 * (docs/protocol.md#errors); a client that doesn't say its version passes. The same for header and body (hazard
 * W-HTTP-6).
 * @throws SynchroError `upgrade_required`, or `bad_request` for what is no version
 */
export function checkVersion(version: string, minimum: string): void {
  if (version === '' || minimum === '') return;
  const asked = parseVersion(version);
  if (!asked) {
    const shown = version.slice(0, MAX_LENGTH);
    throw new SynchroError('bad_request', `app_version is not a semantic version: ${shown}`);
  }
  if (asked.compareMain(parseVersion(minimum) ?? minimum) < 0) {
    throw new SynchroError('upgrade_required', 'client upgrade required');
  }
}

/** @throws SynchroError `configuration_invalid` for a minimum that no version could be compared with */
export function checkMinimum(minimum: string): void {
  if (minimum === '' || parseVersion(minimum)) return;
  throw new SynchroError(
    'configuration_invalid',
    `minClientVersion is not a semantic version: ${minimum}`,
    "three numbers, such as minClientVersion: '1.2.0'",
  );
}

/** As much as `semver` reads. */
const MAX_LENGTH = 256;

/** Ignores everything behind the three numbers. */
function parseVersion(text: string): SemVer | null {
  if (text.length > MAX_LENGTH) return null;
  const [numbers = ''] = text.split(/[-+]/, 1);
  return semver.parse(numbers, { loose: true });
}

/** Runs work that may refuse a client for its version; if it does, calls the hook and throws on. */
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
