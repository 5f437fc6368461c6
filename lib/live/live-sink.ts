/**
 * The reasons for which the server ends a connection:
 * - `shutdown`: the instance stops
 * - `max_age`: the device has to pass the guards again
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

/** The device's side of a connection. No method throws, and after an end none does anything. */
export interface LiveSink {
  /** Bytes that the device has not read yet. */
  readonly unsent: number;
  poke(checkpoint: bigint): void;
  schema(schema: SchemaIds): void;
  heartbeat(): void;
  /** @param retryMs milliseconds after which the device is to come back */
  end(reason: EndReason, retryMs: number): void;
}
