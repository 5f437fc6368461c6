import type { Mutation } from './mutation.js';
import { CLIENT } from './client.js';
import { CLIENT_COMPLAINTS } from './client-complaints.js';
import { CLIENT_LOSSES } from './client-losses.js';
import { LIVE } from './live.js';
import { LOAD } from './load.js';
import { MEMBERSHIP } from './membership.js';
import { OWNERSHIP } from './ownership.js';
import { FAULTS } from './faults.js';
import { FAULTS2 } from './faults2.js';
import { POISON } from './poison.js';
import { CONSUMER } from './consumer.js';
import { HTTP } from './http.js';
import { READING } from './reading.js';
import { SCHEMA } from './schema.js';
import { VALUES } from './values.js';
import { DOCTOR } from './doctor.js';
import { FIT } from './fit.js';
import { GUARDS } from './guards.js';
import { HOOKS } from './hooks.js';
import { HOST } from './host.js';
import { OPERATIONS } from './operations.js';
import { PIPELINE } from './pipeline.js';
import { PULL } from './pull.js';
import { PUSH } from './push.js';
import { PUSH_FAILURES } from './push-failures.js';
import { REQUEST_LIMITS } from './request-limits.js';
import { REQUESTS } from './requests.js';
import { RETENTION } from './retention.js';
import { RLS } from './rls.js';
import { SAMPLE_APP } from './sample-app.js';
import { SDK } from './sdk.js';
import { SHARE } from './share.js';
import { TOGETHER } from './together.js';
import { TYPES } from './types.js';
import { SETTINGS } from './settings.js';
import { WAL } from './wal.js';
import { WRITE_POLICY } from './write-policy.js';

/** Every break that the suite must notice. */
export const MUTATIONS: readonly Mutation[] = [
  ...WAL,
  ...TYPES,
  ...TOGETHER,
  ...MEMBERSHIP,
  ...FAULTS,
  ...FAULTS2,
  ...POISON,
  ...PULL,
  ...LIVE,
  ...RETENTION,
  ...PUSH,
  ...PUSH_FAILURES,
  ...OWNERSHIP,
  ...WRITE_POLICY,
  ...REQUESTS,
  ...SAMPLE_APP,
  ...SDK,
  ...SHARE,
  ...REQUEST_LIMITS,
  ...LOAD,
  ...SETTINGS,
  ...GUARDS,
  ...HOOKS,
  ...RLS,
  ...PIPELINE,
  ...OPERATIONS,
  ...DOCTOR,
  ...VALUES,
  ...SCHEMA,
  ...READING,
  ...HTTP,
  ...CONSUMER,
  ...CLIENT,
  ...CLIENT_COMPLAINTS,
  ...CLIENT_LOSSES,
  ...FIT,
  ...HOST,
];
