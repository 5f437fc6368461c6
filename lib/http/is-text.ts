import { ValidateBy, type ValidationOptions } from 'class-validator';

/**
 * Longest texts of a request, in bytes of UTF-8. Far above any honest device's, and below what an index entry holds
 * where they enter one.
 */
export const TEXT_BYTES = {
  /** client_name, which only people read. */
  name: 1024,
  /** platform, app_version, schema_hash, a table's name. */
  word: 256,
  /** A bucket's name, as the server gave it. */
  bucket: 4096,
  /** after_id: a table's name and a record's id, escaped and encoded. */
  cursor: 16 * 1024,
} as const;

/** Characters of a client's id (hazard W-CLI-2). */
const MAX_ID_LENGTH = 255;

/** A string that PostgreSQL can hold, all but those with a NUL, of this many bytes at most. */
export function IsText(maxBytes: number, options?: ValidationOptions): PropertyDecorator {
  const validate = (value: unknown): boolean => isText(value) && isWithin(value, maxBytes);
  return ValidateBy({ name: 'isText', validator: { validate } }, options);
}

/** A text that can be a key. */
export function IsKey(): PropertyDecorator {
  return ValidateBy({ name: 'isKey', validator: { validate: isKey } });
}

export function isKey(value: unknown): boolean {
  return isText(value) && value.length <= MAX_ID_LENGTH;
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && !value.includes('\0');
}

/** A text has at least as many bytes as characters. */
function isWithin(text: string, bytes: number): boolean {
  return text.length <= bytes && Buffer.byteLength(text) <= bytes;
}
