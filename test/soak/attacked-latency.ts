import { randomUUID } from 'node:crypto';
import { Device } from '../support/device.js';
import { pause } from '../support/wait.js';

export interface Bystander {
  readonly url: string;
  readonly userId: string;
  readonly seconds: number;
}

/** How long pulls took, in milliseconds. */
export interface Latency {
  readonly p99: number;
  readonly longest: number;
}

const EVERY_MS = 50;

/**
 * Pulls as a device does whose user has nothing to do with an attack.
 * @throws SyncHttpError when one is refused
 */
export async function attackedLatency({ url, userId, seconds }: Bystander): Promise<Latency> {
  const device = new Device(url, userId, randomUUID());
  await device.start();
  const times: number[] = [];
  const end = performance.now() + seconds * 1000;
  while (performance.now() < end) {
    const began = performance.now();
    await device.pull();
    times.push(performance.now() - began);
    await pause(EVERY_MS);
  }
  const sorted = times.toSorted((a, b) => a - b);
  return { p99: sorted[Math.floor(sorted.length * 0.99)] ?? 0, longest: sorted.at(-1) ?? 0 };
}
