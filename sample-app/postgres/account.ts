import { spawnSync } from 'node:child_process';
import { access, constants, stat } from 'node:fs/promises';

/** The operating system user that PostgreSQL runs as; empty when it is the current one. */
export interface Account {
  readonly uid?: number;
  readonly gid?: number;
}

/**
 * The user to run PostgreSQL as: the current one, except for root, which PostgreSQL refuses. Root hands over to
 * whoever owns the data already, else to `postgres`, else to `nobody`, which every system has.
 *
 * @throws Error when root finds none of them.
 */
export async function chooseAccount(dataDir: string): Promise<Account> {
  if (process.getuid?.() !== 0) return {};
  const owner = await stat(dataDir).catch(() => undefined);
  if (owner && owner.uid !== 0) return { uid: owner.uid, gid: owner.gid };
  for (const name of ['postgres', 'nobody']) {
    const uid = idOf('-u', name);
    const gid = idOf('-g', name);
    if (uid !== undefined && gid !== undefined) return { uid, gid };
  }
  throw new Error(
    'PostgreSQL refuses to run as root, and there is no user `postgres` or `nobody` to run it as. ' +
      'Start this as another user, or set DATABASE_URL to a server of your own.',
  );
}

/** Whether the account can create files in the directory. */
export async function canWriteIn(account: Account, directory: string): Promise<boolean> {
  if (account.uid === undefined) {
    return access(directory, constants.W_OK | constants.X_OK).then(
      () => true,
      () => false,
    );
  }
  // Permissions of every folder above count, so the only honest answer is to ask as that user.
  const script = 'test -w "$0" && test -x "$0"';
  return spawnSync('/bin/sh', ['-c', script, directory], { ...account, cwd: '/' }).status === 0;
}

function idOf(flag: '-u' | '-g', name: string): number | undefined {
  const answer = spawnSync('id', [flag, name], { encoding: 'utf8' });
  const id = Number.parseInt(answer.stdout ?? '', 10);
  return answer.status === 0 && Number.isInteger(id) ? id : undefined;
}
