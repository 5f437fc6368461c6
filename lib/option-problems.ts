import semver from 'semver';
import type { SynchroProblem } from './common/errors.js';
import { isSchemaHash } from './schema/schema-gate.js';
import type { SynchroOptions } from './synchro.options.js';

/** What is wrong with the module's own options. */
export function optionProblems({ minClientVersion, schema }: SynchroOptions): readonly SynchroProblem[] {
  const problems: SynchroProblem[] = (schema?.compatibleHashes ?? [])
    .filter((hash) => !isSchemaHash(hash))
    .map((hash) =>
      problem(
        'schema.compatibleHashes',
        `${hash} is no schema's hash`,
        'take 64 hexadecimal digits in lower case from SyncEngine.schemaHistory() or GET /sync/schema',
      ),
    );
  if (minClientVersion !== undefined && minClientVersion !== '' && semver.parse(minClientVersion) === null) {
    problems.push(
      problem(
        'minClientVersion',
        `${minClientVersion} is no semantic version, so every device would be refused`,
        `write it with three parts, e.g. '1.2.0'`,
      ),
    );
  }
  return problems;
}

function problem(option: string, message: string, remedy: string): SynchroProblem {
  return { code: 'configuration_invalid', entity: 'SynchroModule', option, message, remedy };
}
