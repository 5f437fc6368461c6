import { channel } from 'node:diagnostics_channel';

/**
 * Phase of the WAL consumer, for observers: `diagnostics_channel.subscribe('nestjs-synchro:consumer', …)`.
 * - `standby`: another instance holds the slot, or the consumer waits to connect again
 * - `idle`: everything received is applied
 * - `decoding`: a batch is being collected
 * - `writing`: the writer's transaction is open
 * - `committed`: the batch is durable, and not acknowledged yet
 */
export type ConsumerPhase = 'standby' | 'idle' | 'decoding' | 'writing' | 'committed';

const phases = channel('nestjs-synchro:consumer');

export function publishPhase(phase: ConsumerPhase): void {
  phases.publish({ phase });
}
