import { spawn, type ChildProcess } from 'node:child_process';
import { access } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { afterAll } from 'vitest';
import type { TestDatabase } from './database.js';
import { recordProcess } from './run.js';

export interface AppProcess {
  /** Empty unless what it was waited for names one. */
  readonly url: string;
  readonly pid: number;
  /** Everything that it has written so far. */
  readonly output: () => string;
  /** Resolves once the process is gone. */
  readonly exit: Promise<ProcessExit>;
  kill(signal?: NodeJS.Signals): Promise<ProcessExit>;
}

export interface ProcessExit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface AppProcessOptions {
  /** Without one, the app starts its own embedded PostgreSQL. */
  readonly database?: TestDatabase;
  readonly env?: Readonly<Record<string, string>>;
  /** Default: the built sample app of this project. */
  readonly main?: string;
  /** Default: none. */
  readonly args?: readonly string[];
  /** The Node that runs it. Default: the one that runs the tests. */
  readonly node?: string;
  /** Its output once it can be used, with the URL as the first group. Default: it listens. */
  readonly ready?: RegExp;
  /** How long that may take, in milliseconds. Default: 60,000. */
  readonly startTimeout?: number;
}

const BUILT_APP = fileURLToPath(new URL('../../dist/sample-app/main.js', import.meta.url));
const START_TIMEOUT = 60_000;

const children = new Set<ChildProcess>();

function killAll(): void {
  for (const child of children) child.kill('SIGKILL');
}
afterAll(async () => {
  const gone = [...children].map((child) => new Promise((resolve) => child.once('exit', resolve)));
  killAll();
  await Promise.all(gone);
});
// For the case that the worker itself is told to leave before the file has ended.
process.once('exit', killAll);

/**
 * Runs the built sample app as a process of its own on a free port, with users by the `X-User-ID` header; for tests
 * that kill it. `npm test` builds it first.
 */
export async function startAppProcess(options: AppProcessOptions = {}): Promise<AppProcess> {
  const {
    main = BUILT_APP,
    args = [],
    node = process.execPath,
    ready = /URL: (\S+)/,
    startTimeout = START_TIMEOUT,
  } = options;
  await access(main).catch(() => {
    throw new Error(`${main} is missing: run \`npm run build\` first, or the whole \`npm test\`.`);
  });
  const { DATABASE_URL: _url, JWT_SECRET: _secret, ...inherited } = process.env;
  const { database } = options;
  const child = spawn(node, [main, ...args], {
    env: {
      ...inherited,
      NO_COLOR: '1',
      PORT: '0',
      ...(database && {
        DATABASE_URL: database.url,
        SYNC_SLOT: database.slotName,
        SYNC_PUBLICATION: database.publicationName,
      }),
      ...options.env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  children.add(child);
  const exit = new Promise<ProcessExit>((resolve) => {
    child.once('exit', (code, signal) => {
      children.delete(child);
      resolve({ code, signal });
    });
  });
  if (child.pid === undefined) throw new Error(`${main} did not start.`);
  recordProcess(child);

  let output = '';
  const url = await new Promise<string>((resolve, reject) => {
    const timer = setTimeout(() => {
      child.kill('SIGKILL');
      reject(new Error(`${main} was not ready after ${startTimeout} ms:\n${output}`));
    }, startTimeout);
    const read = (text: string): void => {
      output += text;
      const found = ready.exec(output);
      if (!found) return;
      clearTimeout(timer);
      resolve(found[1] ?? '');
    };
    child.stdout.setEncoding('utf8').on('data', read);
    child.stderr.setEncoding('utf8').on('data', read);
    void exit.then(({ code, signal }) => {
      clearTimeout(timer);
      reject(new Error(`${main} ended with ${signal ?? `code ${code}`} before it listened:\n${output}`));
    });
  });
  return {
    url,
    pid: child.pid,
    output: () => output,
    exit,
    kill: async (signal = 'SIGKILL') => {
      child.kill(signal);
      return exit;
    },
  };
}
