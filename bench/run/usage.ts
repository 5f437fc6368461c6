import { readdirSync, readFileSync, writeFileSync } from 'node:fs';

/** What one round cost: CPU seconds by process, and memory. Zero where `/proc` is missing. */
export interface Usage {
  /** The Node process that was measured. */
  readonly node: number;
  /** The server's processes, without the walsender. */
  readonly backends: number;
  readonly walsender: number;
  /** The load generator. */
  readonly load: number;
  /** Most memory that the Node process had, in MB. */
  readonly peakMb: number;
}

/** Linux counts CPU time in ticks of this many seconds. */
const TICK = 0.01;

/** Starts to count; what it returns ends that. */
export function countUsage(nodePid: number, postmasterPid: number): () => Usage {
  resetPeak(nodePid);
  const before = readings(nodePid, postmasterPid);
  return () => {
    const after = readings(nodePid, postmasterPid);
    return {
      node: after.node - before.node,
      backends: after.backends - before.backends,
      walsender: after.walsender - before.walsender,
      load: after.load - before.load,
      peakMb: peakMemory(nodePid),
    };
  };
}

function readings(nodePid: number, postmasterPid: number): Omit<Usage, 'peakMb'> {
  const { user, system } = process.cpuUsage();
  // Processes that have ended count with the one that waited for them.
  let backends = stat(postmasterPid).ended;
  let walsender = 0;
  for (const pid of processes()) {
    const { parent, own } = stat(pid);
    if (parent !== postmasterPid) continue;
    if (read(`/proc/${pid}/cmdline`).includes('walsender')) walsender += own;
    else backends += own;
  }
  return { node: stat(nodePid).own, backends, walsender, load: (user + system) / 1_000_000 };
}

/** The same of a process's whole life so far. */
export function usageSinceStart(pid: number): Pick<Usage, 'node' | 'peakMb'> {
  return { node: stat(pid).own, peakMb: peakMemory(pid) };
}

/** Memory that a process has right now, in MB; 0 where `/proc` is missing. */
export function memoryOf(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(read(`/proc/${pid}/status`))?.[1] ?? 0) / 1024;
}

/** The parent of a process. */
export function parentOf(pid: number): number {
  return stat(pid).parent;
}

function stat(pid: number): { readonly parent: number; readonly own: number; readonly ended: number } {
  // The name, in parentheses, may contain anything.
  const fields = read(`/proc/${pid}/stat`).split(') ').at(-1)?.split(' ').map(Number) ?? [];
  const field = (number: number): number => fields[number - 3] ?? 0;
  return { parent: field(4), own: (field(14) + field(15)) * TICK, ended: (field(16) + field(17)) * TICK };
}

function processes(): readonly number[] {
  try {
    return readdirSync('/proc').map(Number).filter(Number.isInteger);
  } catch {
    return [];
  }
}

function peakMemory(pid: number): number {
  return Number(/VmHWM:\s+(\d+)/.exec(read(`/proc/${pid}/status`))?.[1] ?? 0) / 1024;
}

function resetPeak(pid: number): void {
  try {
    writeFileSync(`/proc/${pid}/clear_refs`, '5');
  } catch {
    // The peak is then that of the process's whole life.
  }
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
