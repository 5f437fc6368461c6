import type { SchemaContract } from './schema-contract.js';

/** The contract that a client says it knows. */
export interface ClientSchema {
  readonly version: bigint;
  readonly hash: string;
}

/**
 * Whether a client's schema is one that the host declared compatible: an older one whose tables and columns all still
 * exist. The hash alone decides; a version below 1 is no schema's.
 */
export function isCompatible(client: ClientSchema, hashes: readonly string[]): boolean {
  return client.version > 0n && hashes.includes(client.hash);
}

/** The form of a schema's hash. */
export function isSchemaHash(text: string): boolean {
  return /^[0-9a-f]{64}$/.test(text);
}

/**
 * Whether a client may go on: version and hash must both be the current ones (docs/protocol.md#schema). Version 0
 * with an empty hash is a client that knows none yet, which is good enough where `bootstrap` is allowed (at
 * register).
 */
export function knowsSchema(
  current: Pick<SchemaContract, 'version' | 'hash'>,
  client: ClientSchema,
  { bootstrap }: { readonly bootstrap: boolean },
): boolean {
  if (bootstrap && client.version === 0n && client.hash === '') return true;
  return client.version === current.version && client.hash === current.hash;
}
