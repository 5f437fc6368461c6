import { validateSync } from 'class-validator';
import { SynchroError } from '../../common/errors.js';
import { type JsonScan, scanning } from '../../common/json/json-scan.js';
import { parsing } from '../../common/json/lossless-json.js';
import { atOnce, type Pieces } from '../../common/pieces.js';
import { isJsonObject, type JsonObject } from '../../engine/push/values/json.js';
import type { LimitSettings } from '../../settings/synchro.settings.js';
import { JsonCounter } from './json-counter.js';

/** A body as it came, and how much may be in it. */
export interface ReceivedBody {
  readonly text: string;
  readonly limits: BodyContentLimits;
}

export type BodyContentLimits = Pick<LimitSettings, 'changes' | 'listEntries' | 'bodyValues' | 'nesting'>;

/**
 * Reads a request's body into a DTO by the contract's rules: a top-level object, whose numbers keep their digits;
 * an explicit null is an absent value, and a wrong type is a 400 for the whole request.
 * @param required keys that must be present, in the order in which they are complained about; null will do
 * @throws SynchroError `bad_request`
 */
export function readBody<Body extends object>(
  body: ReceivedBody,
  Dto: new () => Body,
  required: readonly string[],
): Body {
  return atOnce(readingBody(body, Dto, required));
}

/** {@link readBody} in pieces. */
export function* readingBody<Body extends object>(
  { text, limits }: ReceivedBody,
  Dto: new () => Body,
  required: readonly string[],
): Pieces<Body> {
  const received = yield* parseObject(text, limits);
  for (const key of required) {
    if (!Object.hasOwn(received, key)) throw new SynchroError('bad_request', `${key} is required`);
  }
  checkLists(received, limits);
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
 * The named members and no others (a key such as `__proto__` must not be assigned). Case doesn't matter, and the last
 * one wins (docs/protocol.md#requests).
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

/**
 * The first JSON object of a body; what follows it is ignored (docs/protocol.md#requests). Its brackets and commas
 * are counted first, so that no parser has to follow more of them than is allowed.
 */
function* parseObject(text: string, limits: BodyContentLimits): Pieces<JsonObject> {
  const { nesting, bodyValues } = limits;
  const scan = yield* scanning(text, { nesting, values: bodyValues }, true);
  checkContent(scan, limits);
  let value: unknown;
  try {
    value = yield* parsing(text, scan);
  } catch (error) {
    throw invalidBody(error);
  }
  if (isJsonObject(value)) return value;
  throw invalidBody();
}

/** Refuses a body by as much of it as has come, so that no more of it is kept. */
export function contentCheck(limits: BodyContentLimits): (text: string) => void {
  const counter = new JsonCounter();
  return (text) => {
    counter.take(text);
    checkContent(counter, limits);
  };
}

function checkContent(
  { nesting, values }: Pick<JsonScan, 'nesting' | 'values'>,
  limits: BodyContentLimits,
): void {
  if (nesting > limits.nesting) throw invalidBody();
  if (values > limits.bodyValues) throw tooMany('the request body', limits.bodyValues, 'values');
}

/** Before any entry of them is read. */
function checkLists(received: JsonObject, { changes, listEntries }: BodyContentLimits): void {
  const limits = { changes, tables: listEntries, known_buckets: listEntries };
  const picked = pickFields(received, ['changes', 'tables', 'known_buckets']);
  for (const [name, limit] of Object.entries(limits)) {
    const list = picked[name as keyof typeof limits];
    if (Array.isArray(list) && list.length > limit) throw tooMany(name, limit, 'entries');
  }
}

function tooMany(what: string, limit: number, things: string): SynchroError {
  return new SynchroError('bad_request', `${what} has more than ${limit} ${things}`);
}

function invalidBody(cause?: unknown): SynchroError {
  return new SynchroError('bad_request', 'invalid request body', undefined, { cause });
}
