import { execFileSync } from 'node:child_process';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';

/** A server process that runs on a cluster's folder. */
export interface Postmaster {
  readonly pid: number;
  readonly port: number;
}

/**
 * The server that runs on this cluster, whoever started it. A lock file left by a crash is removed: PostgreSQL itself
 * would refuse to start once its process id belongs to another program of the same user.
 */
export async function findPostmaster(clusterDir: string): Promise<Postmaster | undefined> {
  const lockFile = join(clusterDir, 'postmaster.pid');
  // Lines, per the server's pidfile.h: process id, data directory, start time, port, …
  const lines = await readFile(lockFile, 'utf8').then(
    (text) => text.split('\n'),
    () => undefined,
  );
  if (!lines) return undefined;
  const pid = Number(lines[0]);
  const port = Number(lines[3]);
  if (Number.isInteger(pid) && pid > 0 && (await isServerOf(pid, clusterDir))) return { pid, port };
  await rm(lockFile, { force: true });
  return undefined;
}

/** Whether a process with this id exists. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}

async function isServerOf(pid: number, clusterDir: string): Promise<boolean> {
  if (!isAlive(pid)) return false;
  try {
    return (await commandLine(pid)).includes(clusterDir);
  } catch {
    // Removing the lock of a server that runs would ruin its data: when in doubt, it runs.
    return isAlive(pid);
  }
}

async function commandLine(pid: number): Promise<string> {
  if (process.platform === 'linux') return readFile(`/proc/${pid}/cmdline`, 'utf8');
  return execFileSync('ps', ['-ww', '-o', 'args=', '-p', String(pid)], { encoding: 'utf8' });
}
