import type { PushResult } from '../push-change.js';
import type { FailedCode } from '../writing/host-code.js';

/** The permission that a policy of the host's has given. */
export interface Granted {
  /** Canonical id for the owner column. null: a create takes the user's, and any other change leaves it. */
  readonly owner: string | null;
  /** Whether the rule in SQL allows the change, too. */
  readonly byDefault: boolean;
}

/** The result of a policy: a grant, a verdict, the error that it threw, or `postponed` after too many failed questions. */
export type Permission = Granted | PushResult | FailedCode | 'postponed';

export function grantOf(permission: Permission | undefined): Granted | null {
  return typeof permission === 'object' && 'byDefault' in permission ? permission : null;
}
