/** Records as pull and snapshot answers carry them: JSON texts with commas between them, spliced into the answer, never parsed. */
export interface WireRecords {
  readonly text: string;
  readonly count: number;
}

export const NO_RECORDS: WireRecords = { text: '', count: 0 };

export function joined(parts: readonly WireRecords[]): WireRecords {
  const some = parts.filter(({ count }) => count > 0);
  return {
    text: some.map(({ text }) => text).join(','),
    count: some.reduce((sum, { count }) => sum + count, 0),
  };
}
