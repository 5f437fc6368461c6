import type { ClientBase } from 'pg';
import { problemsOf, type SynchroProblem } from '../../common/errors.js';
import { checkBucketFunctions } from '../rules/bucket-function.js';
import { withConsumer, type ConsumerConfig } from './consumer-connection.js';
import { poolerProblems } from './pooler-problems.js';
import { replicationProblems } from './preflight.js';
import { publicationProblems } from './publication.js';
import { slotOwnerProblems } from './slot-owner.js';
import type { TrackedTables } from '../tables/tracked-tables.js';

interface ReplicationNames {
  readonly slotName: string;
  readonly publicationName: string;
}

/** Finds what keeps the consumer from starting, its connection included. */
export async function consumerProblems(
  connection: ConsumerConfig,
  tracked: TrackedTables,
  names: ReplicationNames,
): Promise<readonly SynchroProblem[]> {
  const pooler = await poolerProblems(connection);
  if (pooler.length > 0) return pooler;
  return withConsumer(connection, (client) => setupProblems(client, tracked, names));
}

/**
 * Finds what keeps the consumer from starting: in the server, the role, the tables, the functions or the publication.
 */
export async function setupProblems(
  client: ClientBase,
  tracked: TrackedTables,
  { slotName, publicationName }: ReplicationNames,
): Promise<readonly SynchroProblem[]> {
  return [
    ...(await replicationProblems(client, tracked)),
    ...(await problemsOf('PostgreSQL', 'bucketFunction', () =>
      checkBucketFunctions(client, tracked.registry),
    )),
    ...(await publicationProblems(client, publicationName)),
    ...(await slotOwnerProblems(client, slotName)),
  ];
}
