import type { CastType, DefaultExpression } from './default-expression.js';

/** A default whose casts have been carried out. */
export type DefaultValue =
  | Exclude<DefaultExpression, { kind: 'cast' } | { kind: 'array' }>
  | { readonly kind: 'array'; readonly items: readonly DefaultValue[] };

/**
 * Follows a literal through its casts. Null where a cast would change the value in a way that is not modelled
 * here (rounding, cutting), or depends on the moment (`'now'::text::date`, hazard W-SCH-8).
 */
export function applyCasts(expression: DefaultExpression): DefaultValue | null {
  if (expression.kind === 'cast') {
    const value = applyCasts(expression.value);
    return value && cast(value, expression.type);
  }
  if (expression.kind !== 'array') return expression;
  const items: DefaultValue[] = [];
  for (const item of expression.items) {
    const value = applyCasts(item);
    if (value === null) return null;
    items.push(value);
  }
  return { kind: 'array', items };
}

function cast(value: DefaultValue, type: CastType): DefaultValue | null {
  if (value.kind === 'null') return value;
  if (type.isArray) return castToArray(value, type);
  if (value.kind === 'array') return null;
  return (CASTS.get(type.name) ?? castToOther)(value, type);
}

/** An array's text stays as it is; each item of an `ARRAY[…]` is cast by itself. */
function castToArray(value: DefaultValue, type: CastType): DefaultValue | null {
  if (value.kind === 'string') return value;
  if (value.kind !== 'array') return null;
  const items: DefaultValue[] = [];
  for (const item of value.items) {
    const element = item.kind === 'array' ? castToArray(item, type) : cast(item, { ...type, isArray: false });
    if (element === null) return null;
    items.push(element);
  }
  return { kind: 'array', items };
}

type Cast = (value: DefaultValue, type: CastType) => DefaultValue | null;

const castToText: Cast = (value, { modifiers: [length] }) => {
  if (!isText(value) && value.kind !== 'boolean') return null;
  const text = isText(value) ? value.text : String(value.value);
  // PostgreSQL counts code points, of which there are never more than code units.
  return length === undefined || text.length <= length ? { kind: 'string', text } : null;
};

const castToInteger: Cast = (value) => {
  if (value.kind === 'boolean') return { kind: 'number', text: String(Number(value.value)) };
  return isText(value) && /^[+-]?\d+$/.test(value.text) ? value : null;
};

/** `numeric(10,2)` rounds what has more digits; without modifiers every digit stays. */
const castToDecimal: Cast = (value, { modifiers: [precision, scale = 0] }) => {
  if (!isText(value)) return null;
  const digits = /^[+-]?\d+(?:\.(\d+))?(?<exponent>e[+-]?\d+)?$/i.exec(value.text);
  if (!digits) return /^(?:NaN|-?Infinity)$/i.test(value.text) ? value : null;
  if (precision === undefined) return value;
  return digits.groups?.['exponent'] === undefined && (digits[1] ?? '').length <= scale ? value : null;
};

const castToBoolean: Cast = (value) => {
  if (value.kind === 'boolean') return value;
  return value.kind === 'number' && /^\d+$/.test(value.text)
    ? { kind: 'boolean', value: BigInt(value.text) !== 0n }
    : null;
};

const castToDate: Cast = (value) => {
  if (value.kind === 'clock') return value.unit === 'time' ? null : { kind: 'clock', unit: 'date' };
  return value.kind === 'string' && /^\d{4,}-\d\d-\d\d$/.test(value.text) ? value : null;
};

const castToTimestamp: Cast = (value, type) => {
  if (value.kind === 'clock') return value.unit === 'time' ? null : value;
  return isMoment(value, /^\d{4,}-\d\d-\d\d(?:$|[T ]\d\d:)/, type) ? value : null;
};

const castToTime: Cast = (value, type) => {
  if (value.kind === 'clock') return value.unit === 'date' ? null : { kind: 'clock', unit: 'time' };
  return isMoment(value, /^\d\d:\d\d/, type) ? value : null;
};

/** A literal of the given shape, with no more fraction digits than the type keeps: `timestamp(0)` rounds. */
function isMoment(value: DefaultValue, shape: RegExp, { modifiers: [digits = 6] }: CastType): boolean {
  if (value.kind !== 'string' || !shape.test(value.text)) return false;
  return (/\.(\d+)/.exec(value.text)?.[1] ?? '').length <= digits;
}

/** Enums, uuid, json, domains and all others take a literal's text, and domains a number as it is. */
const castToOther: Cast = (value, type) => {
  if (value.kind === 'string') return value;
  return value.kind === 'number' && type.name !== 'money' ? value : null;
};

const CASTS: ReadonlyMap<string, Cast> = new Map([
  ['text', castToText],
  ['character varying', castToText],
  ['character', castToText],
  ['bpchar', castToText],
  ['citext', castToText],
  ['smallint', castToInteger],
  ['integer', castToInteger],
  ['bigint', castToInteger],
  ['numeric', castToDecimal],
  ['real', castToDecimal],
  ['double precision', castToDecimal],
  ['boolean', castToBoolean],
  ['date', castToDate],
  ['timestamp without time zone', castToTimestamp],
  ['timestamp with time zone', castToTimestamp],
  ['time without time zone', castToTime],
  ['time with time zone', castToTime],
]);

function isText(value: DefaultValue): value is Extract<DefaultValue, { text: string }> {
  return value.kind === 'number' || value.kind === 'string';
}
