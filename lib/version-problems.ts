import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import semver from 'semver';
import type { SynchroProblem } from './common/errors.js';

export interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly peerDependencies?: Readonly<Record<string, string>>;
}

/**
 * The host's packages whose version this package is not made for. Newer ones are advice, as nothing may have changed
 * that matters. The ranges are those of `peerDependencies`; npm only warns of them, or is told to.
 * @param versionOf the installed version of a package; undefined: it can't be told
 */
export function versionProblems(
  { peerDependencies = {} }: Pick<Manifest, 'peerDependencies'> = ownManifest(),
  versionOf: (name: string) => string | undefined = installedVersion,
): readonly SynchroProblem[] {
  return Object.entries(peerDependencies).flatMap(([name, range]) => {
    const version = versionOf(name);
    if (version === undefined || semver.satisfies(version, range, { includePrerelease: true })) return [];
    return [
      {
        code: 'configuration_invalid' as const,
        entity: name,
        option: version,
        message: `sync is made for ${name} ${range}, and ${version} is installed`,
        fix: `npm install ${name}@"${range}"`,
        ...(semver.gtr(version, range, { includePrerelease: true }) && { isAdvice: true as const }),
      },
    ];
  });
}

const own = fileURLToPath(import.meta.url);

function ownManifest(): Manifest {
  const found = manifestAbove(own, 'nestjs-synchro');
  if (!found) throw new TypeError(`nestjs-synchro has no package.json above ${own}`);
  return found;
}

/** The copy that this package loads. */
function installedVersion(name: string): string | undefined {
  return manifestAbove(createRequire(own).resolve(name), name)?.version;
}

/** Not every package exports its `package.json`. */
function manifestAbove(file: string, name: string): Manifest | undefined {
  for (let folder = path.dirname(file); ; folder = path.dirname(folder)) {
    const candidate = path.join(folder, 'package.json');
    if (existsSync(candidate)) {
      const manifest = JSON.parse(readFileSync(candidate, 'utf8')) as Manifest;
      if (manifest.name === name) return manifest;
    }
    if (folder === path.dirname(folder)) return undefined;
  }
}
