import { problemsOf, type SynchroProblem } from './common/errors.js';
import { checkMinimum } from './engine/request/version-gate.js';
import { isSchemaHash } from './schema/schema-gate.js';
import { replicationNameProblems } from './replication/slot/replication-names.js';
import type { SynchroSettings } from './settings/synchro.settings.js';

/** Finds problems of the module's own options. */
export async function optionProblems({
  minClientVersion,
  replication,
  schema,
}: Pick<SynchroSettings, 'minClientVersion' | 'replication' | 'schema'>): Promise<readonly SynchroProblem[]> {
  const hashes = schema.compatibleHashes.filter((hash) => !isSchemaHash(hash));
  return [
    ...hashes.map((hash) => ({
      code: 'configuration_invalid' as const,
      entity: 'SynchroModule',
      option: 'schema.compatibleHashes',
      message: `${hash} is no schema's hash`,
      fix: 'take 64 hexadecimal digits in lower case from SyncEngine.schemaHistory() or GET /sync/schema',
    })),
    ...(replication === false ? [] : replicationNameProblems(replication)),
    ...(await problemsOf('SynchroModule', 'minClientVersion', () => checkMinimum(minClientVersion))),
  ];
}
