import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Ends the PostgreSQL servers whose data are below a folder: a run that was killed has left them behind. */
export function endLeftServers(folder: string): void {
  for (const entry of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
    if (!entry.endsWith('/postmaster.pid')) continue;
    const [pid] = readFileSync(join(folder, entry), 'utf8').split('\n').map(Number);
    try {
      if (pid !== undefined && pid > 0) process.kill(pid, 'SIGQUIT');
    } catch {
      // It has ended by itself.
    }
  }
}
