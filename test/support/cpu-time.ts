/** The CPU time of this process that some work takes, in milliseconds: other processes keep it waiting, not busy. */
export function cpuMillis(work: () => unknown): number {
  const before = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1_000;
}
