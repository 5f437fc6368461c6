import type { ClientBase } from 'pg';
import { problemsOf, type SynchroProblem } from '../common/errors.js';
import { checkBucketFunctions } from './bucket-function.js';
import { replicationProblems } from './preflight.js';
import { publicationProblems } from './publication.js';
import { slotOwnerProblems } from './slot-owner.js';
import type { TrackedTables } from './tracked-tables.js';

/** What keeps the consumer from starting: in the server, the role, the tables, the functions or the publication. */
export async function setupProblems(
  client: ClientBase,
  tracked: TrackedTables,
  { slotName, publicationName }: { readonly slotName: string; readonly publicationName: string },
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
