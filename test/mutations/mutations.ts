import type { Mutation } from './mutation.js';
import { MEMBERSHIP } from './membership.js';
import { OWNERSHIP } from './ownership.js';
import { PULL } from './pull.js';
import { PUSH } from './push.js';
import { REQUESTS } from './requests.js';
import { RETENTION } from './retention.js';
import { SETTINGS } from './settings.js';
import { WAL } from './wal.js';

/** Every break that the suite must notice. */
export const MUTATIONS: readonly Mutation[] = [
  ...WAL,
  ...MEMBERSHIP,
  ...PULL,
  ...RETENTION,
  ...PUSH,
  ...OWNERSHIP,
  ...REQUESTS,
  ...SETTINGS,
];
