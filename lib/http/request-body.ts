import { LosslessNumber, parse } from 'lossless-json';
import { SynchroError } from '../common/errors.js';

/** Deeper than any honest body; what is deeper would cost stack. */
const MAX_DEPTH = 100;
const INT64 = { min: -(2n ** 63n), max: 2n ** 63n - 1n };

/**
 * A request's top-level JSON object. Numbers keep their digits. Fields are read by the contract's rules: an explicit
 * null is an absent value, a wrong type is a 400 for the whole request.
 */
export class RequestBody {
  private readonly fields: ReadonlyMap<string, unknown>;

  /**
   * @param required keys that must be present, in the order in which they are complained about; null will do
   * @throws SynchroError `bad_request`
   */
  constructor(bytes: Buffer, required: readonly string[]) {
    this.fields = new Map(Object.entries(parseObject(bytes)));
    for (const key of required) {
      if (!this.fields.has(key)) throw new SynchroError('bad_request', `${key} is required`);
    }
  }

  string(key: string): string {
    const value = this.fields.get(key) ?? '';
    return typeof value === 'string' ? value : invalid();
  }

  optionalString(key: string): string | null {
    return this.fields.get(key) === null || this.fields.get(key) === undefined ? null : this.string(key);
  }

  int64(key: string): bigint {
    return toInt64(this.fields.get(key) ?? new LosslessNumber('0'));
  }

  strings(key: string): readonly string[] | null {
    const value = this.fields.get(key) ?? null;
    if (value === null) return null;
    if (Array.isArray(value) && value.every((item) => typeof item === 'string')) return value;
    return invalid();
  }

  objects(key: string): readonly Readonly<Record<string, unknown>>[] {
    const value = this.fields.get(key) ?? [];
    return Array.isArray(value) && value.every(isObject) ? value : invalid();
  }

  object(key: string): Readonly<Record<string, unknown>> | null {
    const value = this.fields.get(key) ?? null;
    return value === null || isObject(value) ? value : invalid();
  }
}

/** @throws SynchroError `bad_request` for anything but an integer of 64 bits */
export function toInt64(value: unknown): bigint {
  if (!(value instanceof LosslessNumber) || !/^-?\d{1,19}$/.test(value.value)) return invalid();
  const integer = BigInt(value.value);
  return integer >= INT64.min && integer <= INT64.max ? integer : invalid();
}

function parseObject(bytes: Buffer): Record<string, unknown> {
  const text = bytes.toString('utf8');
  if (isTooDeep(text)) return invalid();
  let value: unknown;
  try {
    value = parse(text, undefined, { onDuplicateKey: ({ newValue }) => newValue });
  } catch {
    return invalid();
  }
  return isObject(value) ? value : invalid();
}

/** Counts brackets outside strings, so that no parser has to follow them. */
function isTooDeep(text: string): boolean {
  let depth = 0;
  for (let index = 0; index < text.length; index++) {
    const code = text.codePointAt(index);
    if (code === 0x22) {
      for (index++; index < text.length && text.codePointAt(index) !== 0x22; index++) {
        if (text.codePointAt(index) === 0x5c) index++;
      }
    } else if (code === 0x7b || code === 0x5b) {
      if (++depth > MAX_DEPTH) return true;
    } else if (code === 0x7d || code === 0x5d) depth--;
  }
  return false;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return (
    typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof LosslessNumber)
  );
}

function invalid(): never {
  throw new SynchroError('bad_request', 'invalid request body');
}
