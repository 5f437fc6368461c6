import { createHash } from 'node:crypto';
import { chmod, lstat, mkdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/**
 * Where things go that can't stay where they were wanted, most lasting place first. The same `key` always gives the
 * same folders, so data is found again at the next start.
 */
export function fallbackFolders(key: string): readonly string[] {
  const roots = process.platform === 'win32' ? [tmpdir()] : ['/var/tmp', tmpdir(), '/tmp'];
  const hash = createHash('sha256').update(key).digest('hex').slice(0, 12);
  const name = `nestjs-synchro-${process.getuid?.() ?? 'user'}-${hash}`;
  return [...new Set(roots)].map((root) => join(root, name));
}

/** Creates one of those folders; false when that fails, or when somebody else got there first. */
export async function claimFolder(folder: string): Promise<boolean> {
  try {
    await mkdir(folder).catch(ignoreExisting);
    const found = await lstat(folder);
    // The parent is writable by all: a folder or link planted there must not receive our files.
    if (!found.isDirectory() || (process.getuid !== undefined && found.uid !== process.getuid()))
      return false;
    await chmod(folder, 0o755);
    return true;
  } catch {
    return false;
  }
}

function ignoreExisting(error: unknown): void {
  if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
}
