const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** Whether a text has the shape of a UUID. */
export function isUuid(value: string): boolean {
  return UUID.test(value);
}

/**
 * The one form in which user ids and bucket values are compared: UUIDs in lower case, everything else as it is
 * (two accounts `Bob` and `bob` stay two accounts; interleavings 26, hazard W-OWN-6).
 */
export function canonicalId(value: string): string {
  return UUID.test(value) ? value.toLowerCase() : value;
}

/** The same form as an SQL expression over a text expression. */
export function canonicalIdSql(text: string): string {
  return `(CASE WHEN ${text} ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' THEN lower(${text}) ELSE ${text} END)`;
}

/** The bucket that a prefix and a value name, e.g. `bucketOf('user:', id)`. */
export function bucketOf(prefix: string, value: string): string {
  return prefix + canonicalId(value);
}
