import type { SchemaContract } from './schema-contract.js';

/** The contract that a client says it knows. */
export interface ClientSchema {
  readonly version: bigint;
  readonly hash: string;
}

/**
 * Whether a client's schema is one of those that the host declared compatible: an older one, of which everything that
 * its clients know is still there. The hash says it all; a version that isn't even positive is no schema's.
 */
export function isCompatible(client: ClientSchema, hashes: readonly string[]): boolean {
  return client.version > 0n && hashes.includes(client.hash);
}

/** What a schema's hash looks like. */
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
