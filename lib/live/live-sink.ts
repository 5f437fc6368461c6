/**
 * Why the server ends a connection:
 * - `shutdown`: the instance stops
 * - `max_age`: the guards are to see the device again
 * - `too_slow`: the device doesn't read
 * - `unauthorized`: the host has ended the user's connections, or the device is no longer registered
 * - `replaced`: the user has opened too many others
 */
export type EndReason = 'shutdown' | 'max_age' | 'too_slow' | 'unauthorized' | 'replaced';

/** The schema as devices know it. */
export interface SchemaIds {
  readonly version: bigint;
  readonly hash: string;
}

/** The end of a connection at which the device is. None of it throws; after an end, none of it does anything. */
export interface LiveSink {
  /** Bytes that the device has not taken yet. */
  readonly unsent: number;
  poke(checkpoint: bigint): void;
  schema(schema: SchemaIds): void;
  heartbeat(): void;
  /** @param retryMs after which the device is to come back */
  end(reason: EndReason, retryMs: number): void;
}
