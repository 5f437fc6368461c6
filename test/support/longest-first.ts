import { basename } from 'node:path';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** Files that take long, the longest first: begun last, one of them would run alone at the end. */
const LONGEST = `
  oracle faults faults-instances bucket-function demo-server million-cascade readme-examples wal-ddl text-lengths
  bucket-rule-start fuzz-requests stream kill wal-rule-failures demo-offline doctor embedded-postgres push-server-state
  types-readings wide-rows poison-rows instances demo-quality transient-errors server-restart contract million-rows fleet
  nothing-lost wal-partition-ddl wal-values wal-publication-drift host-database package unreadable-rows tabs
  publication-altered foreign-settings honest-requests slot-set-up rls-start wal-epochs silent-network`
  .trim()
  .split(/\s+/);

/**
 * Begins with the longest files, whatever an earlier run has left in a cache. Those that share processes come last, one
 * behind the other: a process goes on only with the next file of the queue.
 */
export class LongestFirst extends BaseSequencer {
  override sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    return Promise.resolve(files.toSorted((a, b) => placeOf(a) - placeOf(b)));
  }
}

function placeOf({ moduleId, project }: TestSpecification): number {
  const place = LONGEST.indexOf(basename(moduleId, '.test.ts'));
  const within = place === -1 ? LONGEST.length : place;
  return project.config.isolate ? within : LONGEST.length + 1 + within;
}
