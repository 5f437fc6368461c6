import * as fc from 'fast-check';
import { anyText, jsonText, upTo } from './texts.js';

/** One column type with random values of it. */
export interface ColumnType {
  /** SQL, as declared. */
  readonly type: string;
  /** Values as PostgreSQL reads them. */
  readonly texts: fc.Arbitrary<string>;
  /** The JSON that a client sends for a value; undefined where JSON can't tell it from another one. */
  readonly json: (text: string) => string | undefined;
  /** Default: null is a value, too. */
  readonly notNull?: true;
}

export interface Cell {
  readonly text: string | null;
  readonly json: string | undefined;
}

const asString = (text: string): string => JSON.stringify(text);
const asNumber = (text: string): string => (/^-?\d/.test(text) ? text : asString(text));
// JSON's null is SQL's on its way in, and PostgreSQL writes a scalar's escapes anew.
const asDocument = (text: string): string | undefined =>
  text === 'null' || text.includes(String.raw`\u00e9`) ? undefined : asString(text);
const asRawDocument = (text: string): string | undefined =>
  text.startsWith('"') || text === 'null' ? asDocument(text) : text;

function column(type: string, texts: fc.Arbitrary<string>, json: ColumnType['json'] = asString): ColumnType {
  return { type, texts, json };
}

const integer = (bits: bigint): fc.Arbitrary<string> => {
  const edge = 1n << (bits - 1n);
  const edges = fc.constantFrom(-edge, edge - 1n, 0n, -1n, 1n);
  return fc.oneof(fc.bigInt({ min: -edge, max: edge - 1n }), edges).map(String);
};

const decimal = (digits: number, scale: number): fc.Arbitrary<string> =>
  fc.bigInt({ min: -(10n ** BigInt(digits)) + 1n, max: 10n ** BigInt(digits) - 1n }).map((unscaled) => {
    const text = String(unscaled < 0n ? -unscaled : unscaled).padStart(scale + 1, '0');
    const sign = unscaled < 0n ? '-' : '';
    return scale === 0 ? sign + text : `${sign}${text.slice(0, -scale)}.${text.slice(-scale)}`;
  });

const numeric = fc.oneof(
  fc.tuple(fc.integer({ min: 1, max: 60 }), fc.integer({ min: 0, max: 40 })).chain(([d, s]) => decimal(d, s)),
  fc.constantFrom(
    'NaN', 'Infinity', '-Infinity', '0', '0.00', '5.10', '9223372036854775807', '9223372036854775808',
    '-9223372036854775809', '9007199254740993', '100000000000000000000', '12345678901234567.89',
    `1${'0'.repeat(400)}`, `-1${'0'.repeat(400)}.5`, `0.${'0'.repeat(400)}1`,
  ),
); // prettier-ignore

const floatText = (number: number): string => (Object.is(number, -0) ? '-0' : String(number));
const float8 = fc
  .oneof(
    fc.double(),
    fc.constantFrom(-0, 5e-324, 1e-7, 1e20, 1e15, 1.7976931348623157e308, -5e-7, 0.1, 123456),
  )
  .map(floatText);
// PostgreSQL refuses what a float4 can't hold.
const float4 = fc.oneof(fc.float(), fc.constantFrom(-0, 1e-7, 1e20, 0.1, 16777216)).map(floatText);

const two = (number: number): string => String(number).padStart(2, '0');
const day = fc
  .tuple(fc.integer({ min: 1, max: 9999 }), fc.integer({ min: 1, max: 12 }), fc.integer({ min: 1, max: 28 }))
  .map(([year, month, date]) => `${String(year).padStart(4, '0')}-${two(month)}-${two(date)}`);
const clock = fc
  .tuple(fc.nat(23), fc.nat(59), fc.nat(59), fc.option(fc.nat(999_999), { nil: undefined }))
  .map(
    ([h, m, s, micros]) =>
      `${two(h)}:${two(m)}:${two(s)}${micros === undefined ? '' : `.${String(micros).padStart(6, '0')}`}`,
  );
const zone = fc.constantFrom('Z', '+00', '+02', '-07:30', '+05:45');
const oddDays = [
  'infinity',
  '-infinity',
  '0044-03-15 BC',
  '4713-01-01 BC',
  '12024-02-29',
  '2024-02-29',
] as const;
const date = fc.oneof({ weight: 3, arbitrary: day }, fc.constantFrom(...oddDays, '5874897-12-31'));
const moment = fc.tuple(day, clock).map(([on, at]) => `${on} ${at}`);
const oddMoments = [
  'infinity', '-infinity', '0044-03-15 10:00:00.000001 BC', '4713-01-01 00:00:00 BC', '12024-02-29 23:59:59.999999',
  '294276-12-31 23:59:59.999999', '1970-01-01 00:00:00', '0001-01-01 00:00:00',
] as const; // prettier-ignore
const timestamp = fc.oneof({ weight: 3, arbitrary: moment }, fc.constantFrom(...oddMoments));
const timestamptz = fc.oneof(
  { weight: 3, arbitrary: fc.tuple(moment, zone).map((parts) => parts.join('')) },
  fc.constantFrom(...oddMoments.filter((text) => !text.startsWith('4713'))),
);
const time = fc.oneof(clock, fc.constantFrom('24:00:00', '00:00:00', '23:59:59.999999'));
const timetz = fc
  .tuple(time, fc.constantFrom('+00', '+02', '-07:30', '+15:59:59'))
  .map((parts) => parts.join(''));
const interval = fc.oneof(
  fc
    .tuple(fc.integer({ min: -99_999, max: 99_999 }), fc.integer({ min: -9_999, max: 9_999 }), fc.integer(), fc.nat(999_999))
    .map(([months, days, seconds, micros]) => `${months} mons ${days} days ${seconds}.${String(micros).padStart(6, '0')} secs`),
  fc.constantFrom('0', '-1 day +00:00:00.000001', '178000000 years', '-178000000 years', '1 year -1 mon'),
); // prettier-ignore
const ordered = (low: number, high: number): readonly [number, number] => [
  Math.min(low, high),
  Math.max(low, high),
];
const range = (render: (edge: number) => string): fc.Arbitrary<string> =>
  fc.oneof(
    fc
      .tuple(fc.nat(9_000), fc.nat(9_000), fc.constantFrom('[', '('), fc.constantFrom(']', ')'))
      .map(([a, b, left, right]) => `${left}${ordered(a, b).map(render).join(',')}${right}`),
    fc.constantFrom('empty', '(,)', `[${render(1)},)`),
  );
const bytes = fc.uint8Array({ maxLength: 24 }).map((array) => `\\x${Buffer.from(array).toString('hex')}`);
const hex = (count: number): fc.Arbitrary<string> =>
  fc.uint8Array({ minLength: count, maxLength: count }).map((array) => Buffer.from(array).toString('hex'));
const colons = (text: string): string => text.replaceAll(/(..)(?=.)/g, '$1:');
const bits = (length: fc.Arbitrary<number>): fc.Arbitrary<string> =>
  length
    .chain((n) => fc.array(fc.constantFrom('0', '1'), { minLength: n, maxLength: n }))
    .map((all) => all.join(''));
const mood = fc.constantFrom('good', 'so-so', 'Don\'t, "ask"', 'null');
const word = fc.stringMatching(/^[a-z_][a-z0-9_]{0,10}$/);
const address = fc.oneof(fc.ipV4(), fc.ipV6());

const SCALARS: readonly ColumnType[] = [
  column('smallint', integer(16n), asNumber),
  column('integer', integer(32n), asNumber),
  column('bigint', integer(64n), asNumber),
  column('oid', fc.nat().map(String)),
  column('numeric', numeric, asNumber),
  column('numeric(10,2)', fc.oneof(decimal(10, 2), fc.constant('NaN')), asNumber),
  column('numeric(38,10)', decimal(38, 10), asNumber),
  column('numeric(30)', decimal(30, 0), asNumber),
  column('real', float4, asNumber),
  column('double precision', float8, asNumber),
  column(
    'money',
    decimal(9, 2).map((text) => text),
    asString,
  ),
  column('text', anyText),
  column('varchar', anyText),
  column('varchar(7)', upTo(7)),
  column('char(5)', upTo(5)),
  column('"char"', fc.constantFrom('', 'a', ' ', '"')),
  column('name', upTo(15)),
  column('citext', anyText),
  column('uuid', fc.uuid()),
  column('boolean', fc.constantFrom('true', 'false'), (text) => text),
  column('json', jsonText(), asDocument),
  column('jsonb', jsonText(), asRawDocument),
  column('bytea', bytes),
  column('date', date),
  column('time', time),
  column('time(0)', fc.constantFrom('10:00:00', '23:59:59')),
  column('timetz', timetz),
  column('timestamp', timestamp),
  column('timestamp(3)', timestamp),
  column('timestamptz', timestamptz),
  column('timestamptz(0)', timestamptz),
  column('interval', interval),
  column('interval(3)', interval),
  column('inet', address),
  column('cidr', fc.constantFrom('10.0.0.0/8', '192.168.1.0/24', '::/0', '2001:db8::/32')),
  column('macaddr', hex(6).map(colons)),
  column('macaddr8', hex(8).map(colons)),
  column('int4range', range(String)),
  column('int8range', range(String)),
  column(
    'numrange',
    range((edge) => `${edge}.50`),
  ),
  column(
    'daterange',
    range((edge) => `"${String(edge + 1).padStart(4, '0')}-01-01"`),
  ),
  column(
    'tstzrange',
    range((edge) => `"${String(edge + 1).padStart(4, '0')}-01-01 00:00:00.5+00"`),
  ),
  column('int4multirange', fc.constantFrom('{}', '{[1,3),[5,9)}', '{(,)}')),
  column('bit(3)', bits(fc.constant(3))),
  column('varbit', bits(fc.nat(20))),
  column('xml', fc.constantFrom('<a b="c">d &amp; é</a>', 'plain', '<a/><b/>', '')),
  column('tsvector', fc.constantFrom("'a':1 'b c':2A", '', "'it''s'")),
  column('tsquery', fc.constantFrom("'a' & !'b'", "'x':*")),
  column('point', fc.constantFrom('(1,2)', '(1e-07,-0)')),
  column('box', fc.constantFrom('(1,2),(0,0)')),
  column('pg_lsn', fc.constantFrom('0/0', '16/B374D848')),
  column('jsonpath', fc.constantFrom('$."a"[*]?(@ > 1)')),
  column(
    'ltree',
    fc.array(word, { minLength: 1, maxLength: 4 }).map((all) => all.join('.')),
  ),
  column('other.mood', mood),
  column('other."Mixed Case"', fc.constantFrom('A', 'a')),
  column('label', upTo(10)),
  column('deep_label', upTo(10)),
  column('amount', decimal(12, 4), asNumber),
  column('document', jsonText(1), asRawDocument),
  column('positive', fc.nat().map(String), asNumber),
];

/** Arrays of these are left out: a type whose arrays `json` can't hold, or that needs a delimiter of its own. */
const WITHOUT_ARRAYS: ReadonlySet<string> = new Set(['box', 'deep_label']);

function arrayOf(element: ColumnType): ColumnType {
  const item = fc.option(element.texts, { nil: null, freq: 5 });
  const flat = fc.array(item, { maxLength: 4 });
  const grid = fc
    .tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 3 }))
    .chain(([rows, columns]) =>
      fc.array(fc.array(item, { minLength: columns, maxLength: columns }), {
        minLength: rows,
        maxLength: rows,
      }),
    );
  return {
    type: `${element.type}[]`,
    texts: fc.oneof({ weight: 3, arbitrary: flat }, grid).map((items) => JSON.stringify(items)),
    json: (text) => arrayJson(JSON.parse(text), element),
  };
}

type Items = readonly (string | null | Items)[];

function arrayJson(items: Items, element: ColumnType): string | undefined {
  const parts = items.map((item) => {
    if (item === null) return 'null';
    if (typeof item !== 'string') return arrayJson(item, element);
    // Within an array a document is no text, null is SQL's, and an array is a dimension.
    if (element.type === 'json') return undefined;
    const isDocument = element.type === 'jsonb' || element.type === 'document';
    if (!isDocument) return element.json(item);
    return item === 'null' || item.startsWith('[') ? undefined : item;
  });
  return parts.includes(undefined) ? undefined : `[${parts.join(',')}]`;
}

function arrayLiteral(items: Items): string {
  const parts = items.map((item) => {
    if (item === null) return 'NULL';
    return typeof item === 'string' ? `"${item.replaceAll(/["\\]/g, String.raw`\$&`)}"` : arrayLiteral(item);
  });
  return `{${parts.join(',')}}`;
}

/** Documents that refuse SQL's null, as both SDKs send them: as text. `\u00e9`: PostgreSQL writes a scalar's escapes anew. */
const FILLED: readonly ColumnType[] = ['json', 'jsonb', 'document', 'filled_document'].map((type) => ({
  type,
  texts: fc
    .oneof({ weight: 2, arbitrary: jsonText(1) }, { weight: 1, arbitrary: fc.constant('null') })
    .filter((text) => !text.includes(String.raw`\u00e9`)),
  json: asString,
  notNull: true,
}));

export const TYPES: readonly ColumnType[] = [
  ...SCALARS,
  ...FILLED,
  ...SCALARS.filter(({ type }) => !WITHOUT_ARRAYS.has(type)).map(arrayOf),
];

/** Columns `c0`, `c1`… in the order of {@link TYPES}. */
export const COLUMNS: readonly (Pick<ColumnType, 'type' | 'notNull'> & { readonly name: string })[] =
  TYPES.map(({ type, notNull }, index) => ({ name: `c${index}`, type, ...(notNull && { notNull }) }));

/** What the types need. */
export const TYPES_SQL: readonly string[] = [
  'CREATE EXTENSION citext',
  'CREATE EXTENSION ltree',
  'CREATE SCHEMA other',
  `CREATE TYPE other.mood AS ENUM ('good', 'so-so', 'Don''t, "ask"', 'null')`,
  `CREATE TYPE other."Mixed Case" AS ENUM ('A', 'a')`,
  'CREATE DOMAIN label AS text CHECK (length(value) <= 10)',
  'CREATE DOMAIN deep_label AS label',
  'CREATE DOMAIN amount AS numeric(12,4)',
  'CREATE DOMAIN document AS jsonb',
  'CREATE DOMAIN filled_document AS jsonb NOT NULL',
  'CREATE DOMAIN positive AS bigint CHECK (value >= 0)',
];

/** A value for every column. */
export const anyRow: fc.Arbitrary<readonly Cell[]> = fc.tuple(
  ...TYPES.map(({ texts, json, type, notNull }) =>
    (notNull ? texts : fc.option(texts, { nil: null, freq: 12 })).map((value: string | null): Cell => {
      if (value === null) return { text: null, json: 'null' };
      return { text: type.endsWith('[]') ? arrayLiteral(JSON.parse(value)) : value, json: json(value) };
    }),
  ),
);
