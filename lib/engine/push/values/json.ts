import { stringify } from 'lossless-json';
import { parseLossless } from '../../../common/json/lossless-json.js';
import { numberToken } from './numbers.js';

export type JsonObject = Readonly<Record<string, unknown>>;

/** Any parsed JSON value as JSON text; numbers keep their digits. */
export function jsonText(value: unknown): string {
  return stringify(value) ?? 'null';
}

/** Lossless JSON, or undefined for a text that is none. */
export function parseJson(text: string): unknown {
  try {
    return SCALAR.test(text) ? parseScalar(text) : parseLossless(text);
  } catch {
    return undefined;
  }
}

/** A text that begins neither an object nor an array. */
const SCALAR = /^\s*[^\s[{]/;

/** The first word distinguishes megabytes of prose from JSON, without a scan of the whole. */
function parseScalar(text: string): unknown {
  const value: unknown = JSON.parse(text);
  return typeof value === 'number' ? parseLossless(text) : value;
}

/** Whether a text is JSON, however deep. */
export function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch (error) {
    return !(error instanceof SyntaxError);
  }
}

/** Neither an array nor a number, which lossless JSON makes an object of. */
export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && numberToken(value) === null;
}
