import { SyncError } from '../sync-error.js';
import type { LastState } from './store.js';

/**
 * Checks that a store can be emptied without the loss of an edit.
 *
 * @param known Keys of the refused edits that the app knew of: those may go.
 * @returns a check for `OpenStore.destroy`; it throws SyncError `edits_pending` or `edits_rejected`
 */
export function losesNothing(known: ReadonlySet<string>): (last: LastState) => void {
  return ({ meta, refused }) => {
    if (meta && meta.pending > 0) {
      throw new SyncError(
        'edits_pending',
        `${meta.pending} records have edits that the server does not have yet: try again, or sign out with ` +
          '`pending: "keep"` or `"discard"`',
      );
    }
    const rejected = [...refused.keys()].filter((key) => !known.has(key)).length;
    if (rejected === 0) return;
    throw new SyncError(
      'edits_rejected',
      `the server refused ${rejected} edits during the sign-out: they are in sync.rejected now, and go with the data ` +
        'when you sign out again',
    );
  };
}
