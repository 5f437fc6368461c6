import { validateSync } from 'class-validator';
import { SynchroError } from '../common/errors.js';
import { closingQuote, parseLossless } from '../common/lossless-json.js';
import { isJsonObject, type JsonObject } from '../engine/push/json.js';

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
  return toDto(received, Dto);
}

/** @throws SynchroError `bad_request` for a value of another type than the DTO's */
export function toDto<Dto extends object>(received: JsonObject, Dto: new () => Dto): Dto {
  const dto = new Dto();
  Object.assign(dto, pickFields(received, Object.keys(dto)));
  if (validateSync(dto).length > 0) throw invalidBody();
  return dto;
}

/**
 * The members that are asked for and no others (a key such as `__proto__` must not be assigned). Case doesn't matter,
 * and the last one wins (wire-protocol §1).
 * @param names in lower case
 */
export function pickFields<Name extends string>(
  object: JsonObject,
  names: readonly Name[],
): Partial<Record<Name, unknown>> {
  const picked: Partial<Record<Name, unknown>> = {};
  for (const [key, value] of Object.entries(object)) {
    const lower = key.toLowerCase();
    const name = names.find((candidate) => candidate === lower);
    if (name !== undefined) picked[name] = value;
  }
  return picked;
}

function parseObject(bytes: Buffer): JsonObject {
  const text = firstValue(bytes.toString('utf8'));
  let value: unknown;
  try {
    value = parseLossless(text);
  } catch (error) {
    throw invalidBody(error);
  }
  if (isJsonObject(value)) return value;
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
      index = closingQuote(text, index);
    } else if (code === 0x7b || code === 0x5b) {
      if (++depth > MAX_DEPTH) throw invalidBody();
    } else if ((code === 0x7d || code === 0x5d) && --depth <= 0) return text.slice(0, index + 1);
  }
  return text;
}

function invalidBody(cause?: unknown): SynchroError {
  return new SynchroError('bad_request', 'invalid request body', undefined, { cause });
}
