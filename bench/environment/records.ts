import type { WireRecord } from './device.js';

/** The records of an answer, in one form: the same instant may be written in several ways. */
export function recordsOf(text: string): readonly object[] {
  const answer = JSON.parse(text) as { changes?: readonly WireRecord[]; records?: readonly WireRecord[] };
  return (answer.changes ?? answer.records ?? []).map(({ id, table_name, data, updated_at }) => ({
    id,
    table_name,
    data: Object.fromEntries(Object.entries(data).toSorted(([a], [b]) => (a < b ? -1 : 1))),
    updated_at: instant(updated_at),
  }));
}

/** Microseconds count, trailing zeros and the form of UTC do not. */
function instant(text: string): string {
  const fraction = /\.(\d+)/.exec(text)?.[1] ?? '';
  return `${new Date(text).toISOString().slice(0, 19)}.${fraction.padEnd(6, '0')}`;
}
