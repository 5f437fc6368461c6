import { Listeners, Variable } from '../observable.js';
import type { Refused } from '../records/record.js';
import { SyncError } from '../sync-error.js';
import type { Edits } from './edits.js';
import type { Conflict, SyncEvents } from './events.js';
import type { Replica } from './replica.js';

/** Keeps the edits that the server refused in the store, and calls the app's listeners. */
export class Refusals {
  readonly list = new Variable<readonly Refused[]>([]);
  private readonly conflictListeners = new Set<SyncEvents['conflict']>();
  private readonly rejectedListeners = new Listeners<[Refused]>();
  /** Conflicts that listeners were called for. */
  private readonly handled = new Set<string>();
  private isLeader = false;

  constructor(
    private readonly replica: Replica,
    private readonly edits: Edits,
  ) {}

  async load(): Promise<void> {
    const stored = await this.replica.transact({ refused: true }, ({ refused }) => ({
      result: [...refused.values()].toSorted((left, right) => (left.at < right.at ? -1 : 1)),
    }));
    const known = new Set(this.list.get().map(({ key }) => key));
    this.list.set(stored);
    for (const item of stored) {
      if (item.status === 'rejected' && !known.has(item.key)) this.rejectedListeners.call(item);
    }
    this.handleConflicts();
  }

  onRejected(listener: SyncEvents['rejected']): () => void {
    return this.rejectedListeners.add(listener);
  }

  onConflict(listener: SyncEvents['conflict']): () => void {
    this.conflictListeners.add(listener);
    // Not before the caller has what ends it.
    queueMicrotask(() => this.handleConflicts());
    return () => this.conflictListeners.delete(listener);
  }

  /** Only the tab that leads calls listeners of conflicts, so that each conflict is handled once. */
  lead(isLeader: boolean): void {
    this.isLeader = isLeader;
    this.handleConflicts();
  }

  private handleConflicts(): void {
    if (!this.isLeader) return;
    for (const item of this.list.get()) {
      // A listener may end itself with the first conflict: the others stay in the list until the next one listens.
      if (this.conflictListeners.size === 0) return;
      if (item.status !== 'conflict' || this.handled.has(item.key)) continue;
      this.handled.add(item.key);
      // A listener that fails leaves the conflict in the list; its error reaches the app as an unhandled rejection.
      void this.callListeners({ ...item, status: item.status }).catch(ignoreOver);
    }
  }

  private async callListeners(item: Refused & { readonly status: 'conflict' }): Promise<void> {
    let isKept = false;
    const conflict: Conflict = {
      ...item,
      mine: item.patch,
      keepMine: async () => {
        isKept = true;
        const [write] = await this.edits.redo([item]);
        if (!write) throw new Error(`${item.key}: nothing was written`);
        return write;
      },
    };
    await Promise.all([...this.conflictListeners].map(async (listener) => listener(conflict)));
    if (!isKept && this.list.get().some(({ key }) => key === item.key)) await this.edits.discard(item.key);
  }
}

/** The client is closed, or another tab has dealt with it. */
function ignoreOver(error: unknown): void {
  if (!(error instanceof SyncError && (error.code === 'closed' || error.code === 'nothing_rejected')))
    throw error;
}
