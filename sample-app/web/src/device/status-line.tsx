import type { Status, Sync } from 'nestjs-synchro-client';
import { useObservable } from '../shared/use-observable.js';
import type { Tables } from './tables.js';

const PHASES: Readonly<Record<Status['phase'], string>> = {
  live: 'Live',
  polling: 'Polling',
  connecting: 'Connecting',
  offline: 'Offline',
  'needs-auth': 'Token refused',
  'needs-upgrade': 'App too old',
};

/** How the sync is doing: the connection, what waits, the first sync, the storage. */
export function StatusLine({ sync }: { readonly sync: Sync<Tables> }) {
  const status = useObservable(sync.status);
  return (
    <div className="status" role="status" data-phase={status.phase} title={status.error ?? undefined}>
      <span className="phase">{PHASES[status.phase]}</span>
      {status.firstSync ? (
        <span key="first-sync" className="pending">
          <progress aria-label="First sync" /> First sync: {status.firstSync.rows} rows
        </span>
      ) : (
        <span key="pending" className="pending">
          {pendingText(status.pending)}
        </span>
      )}
      {status.phase === 'needs-auth' && (
        // The client asks for a token again when it tries again.
        <button type="button" onClick={() => window.dispatchEvent(new Event('online'))}>
          Sign in again
        </button>
      )}
      {status.storage !== 'durable' && (
        <span>{status.storage === 'full' ? 'Storage full' : 'Not kept: no storage'}</span>
      )}
    </div>
  );
}

function pendingText(pending: number): string {
  if (pending === 0) return 'Everything is pushed';
  return `${pending} ${pending === 1 ? 'edit waits' : 'edits wait'} to be pushed`;
}
