import { chmod, chown, mkdir, rmdir, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { canWriteIn, type Account } from './account.js';
import { claimFolder, fallbackFolders } from './fallback-folders.js';

/**
 * Creates the folder for a cluster's files, owned by the account that PostgreSQL runs as: at `wanted` when that user
 * can get there, else (a clone under `/root`, a read-only disk) at a place that stays the same for the same `wanted`.
 *
 * @returns The folder to use.
 * @throws Error when there is none.
 */
export async function prepareDataFolder(wanted: string, account: Account): Promise<string> {
  if (await prepare(wanted, account)) return wanted;
  for (const folder of fallbackFolders(wanted)) {
    const data = join(folder, 'data');
    if ((await claimFolder(folder)) && (await prepare(data, account))) return data;
  }
  throw new Error(
    `PostgreSQL can't keep its data in ${wanted}: the folder is not writable for the user it runs as.`,
  );
}

async function prepare(folder: string, account: Account): Promise<boolean> {
  let created = false;
  try {
    await mkdir(dirname(folder), { recursive: true });
    if (!(await isFolder(folder))) {
      await mkdir(folder);
      created = true;
      if (account.uid !== undefined && account.gid !== undefined)
        await chown(folder, account.uid, account.gid);
      await chmod(folder, 0o700);
    }
  } catch {
    return false;
  }
  if (await canWriteIn(account, folder)) return true;
  // An empty folder where the data is not would mislead.
  if (created) await rmdir(folder);
  return false;
}

async function isFolder(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
}
