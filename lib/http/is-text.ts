import { ValidateBy, type ValidationOptions } from 'class-validator';

/** Longer than any id of an honest device; what is longer doesn't fit into an index. */
const MAX_ID_LENGTH = 255;

/** A string that PostgreSQL can hold: all but those with a NUL. */
export function IsText(options?: ValidationOptions): PropertyDecorator {
  return ValidateBy({ name: 'isText', validator: { validate: isText } }, options);
}

/** A text that can be a key (hazard W-CLI-2). */
export function IsKey(): PropertyDecorator {
  return ValidateBy({ name: 'isKey', validator: { validate: isKey } });
}

function isKey(value: unknown): boolean {
  return isText(value) && value.length <= MAX_ID_LENGTH;
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && !value.includes('\0');
}
