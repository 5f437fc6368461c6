import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { MemoryWatch } from '../run/memory-watch.js';

/** A Node process of the benchmark's own, which answers calls (see `serve`). */
export interface NodeProcess {
  readonly pid: number;
  /** What it said once it was ready; an app says its URL. */
  readonly url: string;
  /** Since it was started. */
  readonly memory: MemoryWatch;
  call<Answer>(command: string, argument?: unknown): Promise<Answer>;
  /** Lets it end in order. */
  stop(): Promise<void>;
}

/** What a process says by itself, and what it answers. */
export type ProcessMessage =
  { readonly ready: string } | { readonly id: number; readonly answer?: unknown; readonly error?: string };

const children = new Set<ChildProcess>();

/** For `process.on('exit')`. */
export function killProcesses(): void {
  for (const child of children) child.kill('SIGKILL');
}

/** @param main a built module */
export async function startProcess(main: URL, env: Readonly<Record<string, string>>): Promise<NodeProcess> {
  const child = fork(main, {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  children.add(child);
  const memory = new MemoryWatch(child.pid ?? 0);
  const ended = once(child, 'exit').finally(() => {
    memory.stop();
    children.delete(child);
  });
  const calls = new Map<number, { resolve(answer: unknown): void; reject(error: Error): void }>();
  let last = 0;
  const ready = new Promise<string>((resolve, reject) => {
    child.on('message', (message: ProcessMessage) => {
      if ('ready' in message) {
        resolve(message.ready);
        return;
      }
      const call = calls.get(message.id);
      calls.delete(message.id);
      if (message.error === undefined) call?.resolve(message.answer);
      else call?.reject(new Error(`${main.pathname}: ${message.error}`));
    });
    void ended.then(() => {
      const error = new Error(`${main.pathname} ended.`);
      reject(error);
      for (const call of calls.values()) call.reject(error);
    });
  });
  const url = await ready;
  return {
    pid: child.pid ?? 0,
    url,
    memory,
    call: <Answer>(command: string, argument?: unknown) =>
      new Promise<Answer>((resolve, reject) => {
        const id = ++last;
        calls.set(id, { resolve: (answer) => resolve(answer as Answer), reject });
        child.send({ id, command, argument });
      }),
    stop: async () => {
      child.kill('SIGTERM');
      await ended;
    },
  };
}
