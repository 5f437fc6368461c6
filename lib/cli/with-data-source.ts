import { createRequire } from 'node:module';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { DataSource } from 'typeorm';
import { UsageError } from './usage.error.js';

/**
 * Connects the DataSource that a file exports, uses it, and disconnects. It runs no migrations and synchronizes
 * nothing, with any options.
 *
 * @param onUnreachable the answer when it can't connect. Default: the error is thrown
 * @throws UsageError when the file exports no DataSource
 */
export async function withDataSource<Result>(
  file: string,
  use: (dataSource: DataSource) => Promise<Result>,
  onUnreachable?: (error: Error) => Result,
): Promise<Result> {
  const dataSource = await load(file);
  dataSource.setOptions({ migrationsRun: false, synchronize: false, dropSchema: false, logging: false });
  try {
    await dataSource.initialize();
  } catch (error) {
    if (!onUnreachable || !(error instanceof Error)) throw error;
    return onUnreachable(error);
  }
  try {
    return await use(dataSource);
  } finally {
    await dataSource.destroy();
  }
}

async function load(file: string): Promise<DataSource> {
  const exported: unknown = file.endsWith('.ts')
    ? loadTypeScript(resolve(file))
    : await import(pathToFileURL(resolve(file)).href);
  for (const candidate of await Promise.all(Object.values(exported as Record<string, unknown>))) {
    if (isDataSource(candidate)) return candidate;
    // What CommonJS exports is in the default export.
    if (typeof candidate !== 'object' || candidate === null) continue;
    for (const member of await Promise.all(Object.values(candidate))) if (isDataSource(member)) return member;
  }
  throw new UsageError(`${file} exports no TypeORM DataSource`);
}

/** By the app's own `ts-node`, as `typeorm-ts-node-commonjs` does. */
function loadTypeScript(file: string): unknown {
  const requireThere = createRequire(file);
  try {
    requireThere('ts-node/register');
    return requireThere(file) as unknown;
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new UsageError(
      `${file} can't be loaded by ts-node in the app's folder; compile it, and give the .js file that comes of it: ${why}`,
    );
  }
}

/** By its shape: the file may come with a copy of TypeORM of its own. */
function isDataSource(value: unknown): value is DataSource {
  return typeof value === 'object' && value !== null && 'entityMetadatas' in value && 'initialize' in value;
}
