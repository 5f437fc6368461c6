import { useState } from 'react';
import { SyncError } from 'nestjs-synchro-client';
import { useObservable } from '../shared/use-observable.js';
import type { Session } from './session.js';

/** How long a sign-out waits for what is still to be pushed, in milliseconds. */
const PUSH_TIMEOUT = 5_000;
/** Why a sign-out removes nothing. */
const LEFT: ReadonlySet<string> = new Set(['edits_pending', 'edits_rejected']);

/** Pushes what waits, then removes everything; asks first where it can't push. */
export function SignOut({
  session: { sync },
  onSignedOut,
}: {
  readonly session: Session;
  readonly onSignedOut: () => void;
}) {
  const [state, setState] = useState<'idle' | 'pushing' | 'asking'>('idle');
  const { pending, rejected } = useObservable(sync.status);
  const left = pending + rejected;

  const signOut = async (how: 'push' | 'discard'): Promise<void> => {
    setState('pushing');
    try {
      await sync.signOut({ pending: how, timeout: PUSH_TIMEOUT });
      onSignedOut();
    } catch (error) {
      if (!(error instanceof SyncError && LEFT.has(error.code))) throw error;
      setState('asking');
    }
  };

  return (
    <>
      <button type="button" disabled={state === 'pushing'} onClick={() => void signOut('push')}>
        {state === 'pushing' ? 'Pushing…' : 'Sign out'}
      </button>
      {state === 'asking' && (
        <div className="ask" role="alertdialog" aria-label="Sign out with edits that are not pushed">
          <p>
            {left} {left === 1 ? 'edit is' : 'edits are'} not on the server. Signing out loses{' '}
            {left === 1 ? 'it' : 'them'}.
          </p>
          <div className="buttons">
            <button type="button" className="primary" onClick={() => setState('idle')}>
              Stay
            </button>
            <button type="button" onClick={() => void signOut('discard')}>
              Discard and sign out
            </button>
          </div>
        </div>
      )}
    </>
  );
}
