import type { ClientSchema } from '../../schema/schema-gate.js';

/** What every request of a device says of itself. */
export interface SyncRequest {
  /** Canonical. */
  readonly userId: string;
  readonly clientId: string;
  readonly schema: ClientSchema;
}

/** A request with the buckets that its user may read now. */
export type Bucketed<Request> = Request & { readonly buckets: readonly string[] };
