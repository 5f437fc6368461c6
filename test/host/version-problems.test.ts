import { describe, expect, it } from 'vitest';
import { describeProblem } from '../../lib/common/errors.js';
import { versionProblems } from '../../lib/version-problems.js';

const peerDependencies = { typeorm: '^0.3.20 || ^1.0.0', pg: '^8.15.0' };

function found(versions: Readonly<Record<string, string>>): readonly string[] {
  return versionProblems({ peerDependencies }, (name) => versions[name]).map(
    (problem) => `${problem.isAdvice ? 'advice' : 'problem'}: ${describeProblem(problem)}`,
  );
}

describe("versions of the host's packages [W-HOST-88]", () => {
  it('are those that this package is made for, here', () => {
    expect(versionProblems()).toEqual([]);
  });

  it('may be any within the ranges, and any of their prereleases', () => {
    expect(found({ typeorm: '0.3.20', pg: '8.23.1' })).toEqual([]);
    expect(found({ typeorm: '1.2.0-beta.1', pg: '8.99.0' })).toEqual([]);
  });

  it('keep the app from starting where they are older, with what to install', () => {
    expect(found({ typeorm: '0.3.17', pg: '8.11.0' })).toEqual([
      'problem: typeorm: 0.3.17: sync is made for typeorm ^0.3.20 || ^1.0.0, and 0.3.17 is installed; npm install typeorm@"^0.3.20 || ^1.0.0"',
      'problem: pg: 8.11.0: sync is made for pg ^8.15.0, and 8.11.0 is installed; npm install pg@"^8.15.0"',
    ]);
  });

  it('are named in a warning where they are newer', () => {
    expect(found({ typeorm: '2.0.0', pg: '8.15.0' })).toEqual([
      'advice: typeorm: 2.0.0: sync is made for typeorm ^0.3.20 || ^1.0.0, and 2.0.0 is installed; npm install typeorm@"^0.3.20 || ^1.0.0"',
    ]);
  });

  it('say nothing where they cannot be told', () => {
    expect(found({ pg: '8.15.0' })).toEqual([]);
  });
});
