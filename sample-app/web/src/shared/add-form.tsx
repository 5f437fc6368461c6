import { useState, type ReactNode } from 'react';

export function AddForm({
  label,
  placeholder = label,
  button = 'Add',
  onAdd,
  children,
}: {
  readonly label: string;
  /** Default: the label. */
  readonly placeholder?: string;
  readonly button?: string;
  readonly onAdd: (text: string) => void;
  readonly children?: ReactNode;
}) {
  const [text, setText] = useState('');
  return (
    <form
      className="add-form"
      onSubmit={(event) => {
        event.preventDefault();
        if (text.trim() === '') return;
        onAdd(text.trim());
        setText('');
      }}
    >
      <input
        aria-label={label}
        placeholder={placeholder}
        maxLength={200}
        value={text}
        onChange={(event) => setText(event.currentTarget.value)}
      />
      {children}
      <button type="submit">{button}</button>
    </form>
  );
}
