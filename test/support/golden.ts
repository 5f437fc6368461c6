import { randomUUID } from 'node:crypto';
import { LosslessNumber } from 'lossless-json';
import { toJson, type Json } from './wire.js';

/**
 * Values that vary stand in golden files as `"<type>"`, or as `"<type:name>"` where the same value must recur. In a
 * request they are filled in: a number where the type is `int`, and what has no value yet gets a new one.
 */
const PLACEHOLDER = /<(int|text|uuid|time|hash|lsn|any)(?::(\w+))?>/;
const WHOLE = new RegExp(`^${PLACEHOLDER.source}$`);
const EVERY = new RegExp(PLACEHOLDER.source, 'g');

const FORMS: Readonly<Record<string, RegExp>> = {
  int: /^-?\d{1,19}$/,
  text: /^"[^]+"$/,
  uuid: /^"[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}"$/,
  // UTC, up to microseconds (docs/protocol.md#answers).
  time: /^"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z"$/,
  hash: /^"[\da-f]{64}"$/,
  lsn: /^"[\dA-F]{1,8}\/[\dA-F]{1,8}"$/,
  any: /^[^]*$/,
};

/** The named values of one golden file's run. */
export class Bindings {
  /** Name → type and JSON text. */
  private readonly values = new Map<string, { readonly type: string; readonly json: string }>();

  bind(type: string, name: string, value: Json): void {
    this.values.set(name, { type, json: toJson(value) });
  }

  /** Fills a text in, as JSON text has it but without quotes. */
  fillText(text: string): string {
    return text.replace(EVERY, (_all, type: string, name: string | undefined) =>
      this.json(type, name).replace(/^"|"$/g, ''),
    );
  }

  fill(value: Json): Json {
    return mapStrings(value, (text) => {
      const [, type, name] = WHOLE.exec(text) ?? [];
      if (type === 'int') return new LosslessNumber(this.json(type, name));
      return this.fillText(text);
    });
  }

  /**
   * What was answered, with the expected placeholder in place of each value that it fits: the same as the expectation
   * iff they match. Where nothing is expected, a placeholder of the value's form.
   */
  generalise(actual: Json, expected: Json | undefined): Json {
    if (typeof expected === 'string' && WHOLE.test(expected)) return this.meet(actual, expected);
    if (Array.isArray(actual)) {
      const items = Array.isArray(expected) ? expected : [];
      return actual.map((item, index) => this.generalise(item, items[index]));
    }
    if (isObject(actual)) {
      const members = isObject(expected) ? expected : {};
      return Object.fromEntries(
        Object.entries(actual).map(([key, value]) => [key, this.generalise(value, members[key])]),
      );
    }
    if (expected === undefined) return this.guess(actual);
    const isFilled = typeof expected === 'string' && actual === this.fillText(expected);
    return isFilled ? expected : actual;
  }

  private meet(actual: Json, placeholder: string): Json {
    const [, type = '', name] = WHOLE.exec(placeholder) ?? [];
    const json = toJson(actual);
    if (FORMS[type]?.test(json) !== true) return actual;
    if (name === undefined) return placeholder;
    const known = this.values.get(name);
    if (!known) this.values.set(name, { type, json });
    return known === undefined || known.json === json ? placeholder : actual;
  }

  /** Small numbers recur by chance. */
  private guess(actual: Json): Json {
    const json = toJson(actual);
    for (const [name, { type, json: known }] of this.values) {
      if (json === known && json.length > 4) return `<${type}:${name}>`;
    }
    const type = ['uuid', 'time', 'hash', 'lsn'].find((form) => FORMS[form]?.test(json));
    if (type !== undefined) return `<${type}>`;
    return typeof actual === 'string' ? this.unfill(actual) : actual;
  }

  private unfill(text: string): string {
    let placeholders = text;
    for (const [name, { type, json }] of this.values) {
      if (type === 'text') placeholders = placeholders.replaceAll(json.slice(1, -1), `<text:${name}>`);
    }
    return placeholders;
  }

  private json(type: string, name: string | undefined): string {
    const known = name === undefined ? undefined : this.values.get(name)?.json;
    if (known !== undefined) return known;
    if (type !== 'uuid') throw new Error(`Nothing is known of <${type}:${name}> yet.`);
    const json = toJson(randomUUID());
    if (name !== undefined) this.values.set(name, { type, json });
    return json;
  }
}

function mapStrings(value: Json, map: (text: string) => Json): Json {
  if (typeof value === 'string') return map(value);
  if (Array.isArray(value)) return value.map((item) => mapStrings(item, map));
  if (!isObject(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, mapStrings(item, map)]));
}

function isObject(value: Json | undefined): value is { [key: string]: Json } {
  return (
    typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof LosslessNumber)
  );
}
