import type { Edit } from './session.js';

const SHOWN = 3;

/** The verdicts as they come, the newest first. */
export function EditLog({ edits }: { readonly edits: readonly Edit[] }) {
  const shown = edits.slice(-SHOWN).toReversed();
  return (
    <section className="edit-log" aria-label="Verdicts">
      <h2>Verdicts</h2>
      <ul aria-live="polite">
        {shown.map(({ number, text, verdict }) => (
          <li key={number} title={verdict.message}>
            <span className="verdict" data-status={verdict.status}>
              {verdict.status}
            </span>{' '}
            {text}
          </li>
        ))}
        {shown.length === 0 && <li className="empty">The server’s answers come here.</li>}
      </ul>
    </section>
  );
}
