import { randomUUID } from 'node:crypto';
import { Device } from '../support/device.js';
import { pause } from '../support/wait.js';

export interface Bystander {
  readonly url: string;
  readonly userId: string;
  readonly seconds: number;
}

const EVERY_MS = 50;

/**
 * Pulls as a device does whose user has nothing to do with an attack.
 * @returns milliseconds of a pull, at the 99th percentile
 * @throws SyncHttpError when one is refused
 */
export async function attackedLatency({ url, userId, seconds }: Bystander): Promise<number> {
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
  return times.toSorted((a, b) => a - b)[Math.floor(times.length * 0.99)] ?? 0;
}
