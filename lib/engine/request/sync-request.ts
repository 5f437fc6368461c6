import type { ClientSchema } from '../../schema/schema-gate.js';

/** The device and its schema, as every request names them. */
export interface SyncRequest {
  /** Canonical. */
  readonly userId: string;
  readonly clientId: string;
  readonly schema: ClientSchema;
}

/** A request with the buckets that its user may read now. */
export type Bucketed<Request> = Request & { readonly buckets: readonly string[] };
