const CANONICAL_UUID = '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$';
const PRINTED_UUID = new RegExp(CANONICAL_UUID);
const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** A UUID as PostgreSQL prints it, of any text that it reads as one; null of any other. */
export function uuidText(value: string): string | null {
  // Most are, and pushes have thousands.
  if (PRINTED_UUID.test(value)) return value;
  if (!UUID_INPUT.test(value)) return null;
  const hex = value.replaceAll(/[^0-9a-f]/gi, '').toLowerCase();
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
}

/** Braces around, and a hyphen after any four digits but the last. */
const UUID_INPUT = /^(?:\{(?:[0-9a-f]{4}-?){7}[0-9a-f]{4}\}|(?:[0-9a-f]{4}-?){7}[0-9a-f]{4})$/i;

/**
 * The one form in which user ids and bucket values are compared: UUIDs in lower case, everything else as it is
 * (two accounts `Bob` and `bob` stay two accounts; interleavings 26, hazard W-OWN-6).
 */
export function canonicalId(value: string): string {
  return UUID.test(value) ? value.toLowerCase() : value;
}

/**
 * The same form as an SQL expression over a text expression. A text without A to Z is canonical already: a check of
 * bytes spares most ids the expression.
 */
export function canonicalIdSql(text: string): string {
  return `(CASE WHEN ${text} COLLATE "C" = lower(${text} COLLATE "C") THEN ${text}
    WHEN ${text} COLLATE "C" ~* '${CANONICAL_UUID}' THEN lower(${text}) ELSE ${text} END)`;
}

/**
 * A boolean SQL expression: is this text, in its canonical form, the given canonical id? Null where the text is.
 * Most texts are compared as they are; only an id that is a UUID looks at them twice.
 *
 * @param text a text expression
 * @param id a text expression of a canonical id
 */
export function isCanonicalIdSql(text: string, id: string): string {
  return `(${text} = ${id} OR lower(${text}) = ${id} AND ${isUuidSql(id)})`;
}

/** A boolean SQL expression: is this text, a canonical id, a UUID? */
export function isUuidSql(id: string): string {
  return `${id} ~ '${CANONICAL_UUID}'`;
}

/** A `char(n)` as PostgreSQL casts it to text: its trailing blanks are padding, and mean nothing. */
export function withoutPadding(value: string): string {
  let end = value.length;
  while (end > 0 && value[end - 1] === ' ') end--;
  return value.slice(0, end);
}

/** The bucket that every user is subscribed to. */
export const GLOBAL_BUCKET = 'global';

/** Prefix of the buckets that only one user reads. */
export const USER_BUCKETS = 'user:';

/** Prefix of sync's own buckets: each holds the entries of a single client. */
export const CLIENT_BUCKETS = 'client:';

/** The bucket that only one client reads. */
export function clientBucket(clientRowId: string): string {
  return CLIENT_BUCKETS + clientRowId;
}

/** Whether a host's rule, or a column's value, may not name this bucket. */
export function isReservedBucket(bucket: string): boolean {
  return bucket.startsWith(CLIENT_BUCKETS);
}

/** The bucket that a prefix and a value name, e.g. `bucketOf('user:', id)`. */
export function bucketOf(prefix: string, value: string): string {
  return prefix + canonicalId(value);
}
