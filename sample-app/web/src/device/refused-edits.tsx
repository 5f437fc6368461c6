import type { Refused, Row } from 'nestjs-synchro-client';
import { useObservable } from '../shared/use-observable.js';
import type { Session } from './session.js';

/** Conflicts and refusals that nobody has dealt with, one card at a time. */
export function RefusedEdits({ session }: { readonly session: Session }) {
  const refused = useObservable(session.sync.rejected);
  const [first] = refused;
  if (!first) return null;
  return (
    <section className="refused" aria-label={first.status === 'conflict' ? 'Conflict' : 'Refused edit'}>
      {first.status === 'conflict' ? (
        <ConflictCard conflict={first} session={session} />
      ) : (
        <RefusalCard refusal={first} session={session} />
      )}
      {refused.length > 1 && <p className="more">{refused.length - 1} more</p>}
    </section>
  );
}

function ConflictCard({ conflict, session }: { readonly conflict: Refused; readonly session: Session }) {
  const { key, id, operation, patch, theirs, base } = conflict;
  const mine = operation === 'delete' ? null : { ...base, ...patch };
  const keepMine = (): void => void session.retry(key, id, `Mine again: “${textOf(mine)}”`);
  return (
    <>
      <h2>Two edits of one row</h2>
      <dl>
        <dt>Mine</dt>
        <dd>{textOf(mine)}</dd>
        <dt>Theirs</dt>
        <dd>{textOf(theirs)}</dd>
        <dt>Base</dt>
        <dd>{base === null ? 'new' : textOf(base)}</dd>
      </dl>
      <div className="buttons">
        <button type="button" className="primary" onClick={keepMine}>
          Keep mine
        </button>
        <button type="button" onClick={() => void session.sync.rejected.discard(key)}>
          Take theirs
        </button>
      </div>
    </>
  );
}

function RefusalCard({ refusal, session }: { readonly refusal: Refused; readonly session: Session }) {
  const { key, id, operation, patch, base, reason, message } = refusal;
  const text = textOf({ ...base, ...patch });
  return (
    <>
      <h2>The server refused this {operation}</h2>
      <p>
        “{text}”: {message} <code>{reason}</code>
      </p>
      <div className="buttons">
        <button type="button" className="primary" onClick={() => void session.sync.rejected.discard(key)}>
          Discard
        </button>
        <button type="button" onClick={() => void session.retry(key, id, `Again: “${text}”`)}>
          Try again
        </button>
      </div>
    </>
  );
}

/** What a person knows a row by. */
function textOf(row: Row | null): string {
  if (row === null) return 'deleted';
  const text = row['title'] ?? row['body'];
  return typeof text === 'string' ? text : '';
}
