import { basename } from 'node:path';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** Files that take long, the longest first: begun last, one of them would run alone at the end. */
const LONGEST = [
  'oracle',
  'faults',
  'faults-instances',
  'kill',
  'million-rows',
  'million-cascade',
  'fuzz-requests',
  'doctor',
  'instances',
  'server-restart',
  'embedded-postgres',
  'readme-examples',
  'contract',
  'package',
  'honest-requests',
  'poison-rows',
  'silent-network',
];

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
  if (!project.config.isolate) return LONGEST.length + 1;
  const place = LONGEST.indexOf(basename(moduleId, '.test.ts'));
  return place === -1 ? LONGEST.length : place;
}
