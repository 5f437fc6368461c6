import type { ChildProcess } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { inject } from 'vitest';
import { isAlive } from '../../sample-app/postgres/postmaster.js';
import { temporaryFolder } from './temporary-folder.js';

/** What one run of the test suite shares among its worker processes. */
export interface TestRun {
  /** Connects as the superuser to the server that all test databases live on. */
  readonly serverUrl: string;
  /** Major version of that server, for `skipIf` where an older one can't do what a test needs. */
  readonly serverVersion: number;
  /** Starts every name that this run gives to something outside its own process. */
  readonly prefix: string;
  /** A folder that is removed after the run. */
  readonly folder: string;
}

declare module 'vitest' {
  interface ProvidedContext {
    run: TestRun;
  }
}

export function testRun(): TestRun {
  return inject('run');
}

/** A new, empty folder for one test, removed after the run. */
export async function testFolder(): Promise<string> {
  return temporaryFolder(testRun().folder);
}

/** Notes a child process until it has ended, so that the end of the run can tell whether it did. */
export function recordProcess(child: ChildProcess): void {
  const folder = join(testRun().folder, 'processes');
  const record = join(folder, String(child.pid));
  mkdirSync(folder, { recursive: true });
  writeFileSync(record, '');
  child.once('exit', () => rmSync(record, { force: true }));
}

/** Kills the child processes that are still noted, and returns their ids. */
export function killRecordedProcesses(runFolder: string): readonly number[] {
  const folder = join(runFolder, 'processes');
  const left = existsSync(folder) ? readdirSync(folder).map(Number).filter(isAlive) : [];
  for (const pid of left) process.kill(pid, 'SIGKILL');
  return left;
}
