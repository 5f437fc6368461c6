import type { Random } from '../support/random.js';
import type { Site } from './site.js';

/** Something that goes wrong in a site, and is set right as it is in real life. */
export interface Fault {
  readonly name: string;
  /**
   * Lets it happen, waits for what shows that it has taken effect, and heals it; resolves when it is over. Recovery may
   * take longer: see `measureRecovery`.
   * @throws Error when it did not take effect
   */
  inject(site: Site, random: Random): Promise<void>;
}

/** What devices can notice of a fault, beside requests that have to be sent again. */
export interface FaultKind extends Fault {
  /**
   * `log`: every change reaches the changelog exactly once in spite of it. `epoch`: history is lost, devices are sent to
   * a snapshot with `history_unavailable`.
   */
  readonly keeps: 'log' | 'epoch';
}
