import { channel } from 'node:diagnostics_channel';

/**
 * What the WAL consumer is doing, for observers: `diagnostics_channel.subscribe('nestjs-synchro:consumer', …)`.
 * - `standby`: another instance holds the slot, or a reconnect is being waited for
 * - `idle`: everything received is applied
 * - `decoding`: a batch is being collected
 * - `writing`: the writer transaction is open
 * - `committed`: it is durable, and not yet acknowledged
 */
export type ConsumerPhase = 'standby' | 'idle' | 'decoding' | 'writing' | 'committed';

const phases = channel('nestjs-synchro:consumer');

export function publishPhase(phase: ConsumerPhase): void {
  phases.publish({ phase });
}
