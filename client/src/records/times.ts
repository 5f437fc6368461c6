const TIME = /^(\d{4}-\d{2}-\d{2})[T ](\d{2}:\d{2}:\d{2})(?:\.(\d{1,9}))?\s*(Z|[+-]00(?::?00)?)?$/i;

/**
 * A time in UTC as rows have it: `2026-01-01T00:00:00.12+00:00`, or without a zone for `timestamp` columns. Text in
 * another zone, or that is no such time, stays as it is; the server's next version of the row has it as it should be.
 */
export function canonicalTime(text: string, hasZone: boolean): string {
  const match = TIME.exec(text);
  if (!match) return text;
  const [, date = '', time = '', fraction = ''] = match;
  const digits = fraction.slice(0, 6).replace(/0+$/, '');
  return `${date}T${time}${digits === '' ? '' : `.${digits}`}${hasZone ? '+00:00' : ''}`;
}

/** Negative when `left` is the earlier one; NaN when one of them is no time in UTC. */
export function compareTimes(left: unknown, right: unknown): number {
  const [first, second] = [sortable(left), sortable(right)];
  if (first === null || second === null) return Number.NaN;
  return first < second ? -1 : first > second ? 1 : 0;
}

function sortable(value: unknown): string | null {
  const match = typeof value === 'string' ? TIME.exec(value) : null;
  return match && `${match[1]}${match[2]}${(match[3] ?? '').slice(0, 6).padEnd(6, '0')}`;
}
