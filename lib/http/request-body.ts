import { validateSync } from 'class-validator';
import { LosslessNumber, parse } from 'lossless-json';
import { SynchroError } from '../common/errors.js';

/** Deeper than any honest body; what is deeper would cost stack. */
const MAX_DEPTH = 100;

/**
 * Reads a request's body into a DTO by the contract's rules: a top-level object, whose numbers keep their digits;
 * an explicit null is an absent value, and a wrong type is a 400 for the whole request.
 * @param required keys that must be present, in the order in which they are complained about; null will do
 * @throws SynchroError `bad_request`
 */
export function readBody<Body extends object>(
  bytes: Buffer,
  Dto: new () => Body,
  required: readonly string[],
): Body {
  const received = parseObject(bytes);
  for (const key of required) {
    if (!Object.hasOwn(received, key)) throw new SynchroError('bad_request', `${key} is required`);
  }
  const body = new Dto();
  // Only what the DTO declares: a key such as __proto__ must not be assigned.
  for (const key of Object.keys(body)) {
    if (Object.hasOwn(received, key)) Object.assign(body, { [key]: received[key] });
  }
  if (validateSync(body).length > 0) throw invalidBody();
  return body;
}

function parseObject(bytes: Buffer): Record<string, unknown> {
  const text = firstValue(bytes.toString('utf8'));
  let value: unknown;
  try {
    value = parse(text, undefined, { onDuplicateKey: ({ newValue }) => newValue });
  } catch (error) {
    throw invalidBody(error);
  }
  if (
    typeof value === 'object' &&
    value !== null &&
    !Array.isArray(value) &&
    !(value instanceof LosslessNumber)
  ) {
    return value as Record<string, unknown>;
  }
  throw invalidBody();
}

/**
 * The first JSON object or array of a text; what follows it is ignored (wire-protocol §1). Counts brackets outside
 * strings, so that no parser has to follow more of them than {@link MAX_DEPTH}.
 */
function firstValue(text: string): string {
  let depth = 0;
  for (let index = 0; index < text.length; index++) {
    const code = text.codePointAt(index);
    if (code === 0x22) {
      for (index++; index < text.length && text.codePointAt(index) !== 0x22; index++) {
        if (text.codePointAt(index) === 0x5c) index++;
      }
    } else if (code === 0x7b || code === 0x5b) {
      if (++depth > MAX_DEPTH) throw invalidBody();
    } else if ((code === 0x7d || code === 0x5d) && --depth <= 0) return text.slice(0, index + 1);
  }
  return text;
}

function invalidBody(cause?: unknown): SynchroError {
  return new SynchroError('bad_request', 'invalid request body', undefined, { cause });
}
