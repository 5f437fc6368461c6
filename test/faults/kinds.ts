import { APP_FAULTS } from './app-faults.js';
import type { FaultKind } from './fault.js';
import { NETWORK_FAULTS } from './network-faults.js';
import { SERVER_FAULTS } from './server-faults.js';
import { SLOT_FAULTS } from './slot-faults.js';

/** Every kind of fault, each with a name of its own. */
export const FAULTS: readonly FaultKind[] = [
  ...APP_FAULTS,
  ...NETWORK_FAULTS,
  ...SERVER_FAULTS,
  ...SLOT_FAULTS,
];
