/** Microseconds since 1970 of an ISO 8601 or SQLite timestamp (UTC without a zone); undefined when it is neither. */
export function instant(text: unknown): bigint | undefined {
  if (typeof text !== 'string') return undefined;
  const parts = /^(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:\.(\d+))?(Z|[+-]\d\d:?\d\d|[+-]\d\d)?$/.exec(text);
  if (!parts) return undefined;
  const [, date, time, fraction = '', zone = 'Z'] = parts;
  const milliseconds = Date.parse(`${date}T${time}${/^[+-]\d\d$/.test(zone) ? `${zone}:00` : zone}`);
  return BigInt(milliseconds) * 1_000n + BigInt(fraction.slice(0, 6).padEnd(6, '0'));
}
