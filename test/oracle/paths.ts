import type { PullResponse, PushResponse } from '../support/wire.js';
import type { Exchange } from './exchange.js';

/** How often answers had what is worth trying. */
export function pathsOf(exchanges: readonly Exchange[]): ReadonlyMap<string, number> {
  const paths = new Map<string, number>();
  const count = (path: string, times: number): void => void paths.set(path, (paths.get(path) ?? 0) + times);
  for (const { path, answer } of exchanges) {
    if (answer.status !== 200) {
      count(`${path} ${answer.status}`, 1);
    } else if (path === 'pull') {
      const pull = answer.json as unknown as PullResponse;
      count('deleteTold', pull.deletes.length);
      count('cutPage', pull.has_more ? 1 : 0);
      count('resubscribed', pull.bucket_updates ? 1 : 0);
      count('newSnapshot', pull.snapshot_required ? 1 : 0);
    } else if (path === 'push') {
      const { rejected } = answer.json as unknown as PushResponse;
      count('conflict', rejected.filter(({ status }) => status === 'conflict').length);
      count('refused', rejected.filter(({ status }) => status !== 'conflict').length);
      for (const { reason_code: reason } of rejected) count(`refused ${reason}`, 1);
    }
  }
  return paths;
}
