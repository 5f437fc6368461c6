import type { Mutation } from './mutation.js';
import { LOAD } from './load.js';
import { MEMBERSHIP } from './membership.js';
import { OWNERSHIP } from './ownership.js';
import { FAULTS } from './faults.js';
import { FAULTS2 } from './faults2.js';
import { POISON } from './poison.js';
import { PULL } from './pull.js';
import { PUSH } from './push.js';
import { PUSH_FAILURES } from './push-failures.js';
import { REQUEST_LIMITS } from './request-limits.js';
import { REQUESTS } from './requests.js';
import { RETENTION } from './retention.js';
import { SDK } from './sdk.js';
import { SHARE } from './share.js';
import { TYPES } from './types.js';
import { SETTINGS } from './settings.js';
import { WAL } from './wal.js';

/** Every break that the suite must notice. */
export const MUTATIONS: readonly Mutation[] = [
  ...WAL,
  ...TYPES,
  ...MEMBERSHIP,
  ...FAULTS,
  ...FAULTS2,
  ...POISON,
  ...PULL,
  ...RETENTION,
  ...PUSH,
  ...PUSH_FAILURES,
  ...OWNERSHIP,
  ...REQUESTS,
  ...SDK,
  ...SHARE,
  ...REQUEST_LIMITS,
  ...LOAD,
  ...SETTINGS,
];
