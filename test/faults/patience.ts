import { eventually } from '../support/wait.js';

/** How long to wait for what must come, in milliseconds: a busy machine takes its time. */
const PATIENCE = 120_000;

/** {@link eventually}, for what a fault must bring about or sync must do. */
export function patiently<T>(attempt: () => T | Promise<T>, interval = 25): Promise<Exclude<T, false>> {
  return eventually(attempt, { timeout: PATIENCE, interval });
}
