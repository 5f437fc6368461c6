import { useState } from 'react';

/** A text that is edited where it stands: Enter or leaving it saves, Escape does not. */
export function TitleField({
  value,
  label,
  onSave,
}: {
  readonly value: string;
  readonly label: string;
  readonly onSave: (value: string) => Promise<void>;
}) {
  const [draft, setDraft] = useState<string | null>(null);
  const save = async (): Promise<void> => {
    const text = draft?.trim() ?? '';
    if (text !== '' && text !== value) await onSave(text);
    setDraft(null);
  };
  return (
    <form
      className="title-field"
      onSubmit={(event) => {
        event.preventDefault();
        void save();
      }}
    >
      <input
        aria-label={label}
        maxLength={200}
        value={draft ?? value}
        onChange={(event) => setDraft(event.currentTarget.value)}
        onBlur={() => void save()}
        onKeyDown={(event) => {
          if (event.key === 'Escape') setDraft(null);
        }}
      />
    </form>
  );
}
