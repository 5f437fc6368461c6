import * as fc from 'fast-check';

/** Text that PostgreSQL can hold: no NUL, no half of a surrogate pair; and no BOM in front, which sql.js drops. */
export const anyText = fc.oneof(
  { weight: 3, arbitrary: fc.string({ unit: 'grapheme', maxLength: 12 }) },
  { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 12 }).map((text) => text.replaceAll(/[\0\ufeff]/g, '')) },
  {
    weight: 3,
    arbitrary: fc.constantFrom(
      '', ' ', 'NULL', 'null', '{}', '[]', '[1,2]', '{"a":1}', '{a,"b"}', 'true', '1', '1.0', '-0', '1e5', '"', '""',
      '"quoted"', "it's", '\\', '\\x00ff', 'YWJj', 'a,b', ' both ', '\t\r\n', '\u2028\u2029', '<&>', '$1', '%s', '\u007f',
      '😀👩‍👩‍👧', 'مرحبا بالعالم', '\u202eright to left', 'e\u0301', 'ﷺ', '\u{10ffff}', 'a\ufeffbom', '100000000000000000000',
    ),
  },
); // prettier-ignore

/** At most so many characters, which is what `varchar(n)` counts. */
export function upTo(characters: number): fc.Arbitrary<string> {
  return anyText.map((text) => Array.from(text).slice(0, characters).join(''));
}

const integerToken = fc.oneof(
  fc.integer().map(String),
  fc.bigInt({ min: -(10n ** 25n), max: 10n ** 25n }).map(String),
  fc.constantFrom(
    '0', '-0', '9223372036854775807', '9223372036854775808', '-9223372036854775808', '-9223372036854775809',
    '9007199254740993', '100000000000000000000', `1${'0'.repeat(309)}`,
  ),
); // prettier-ignore

const fractionToken = fc.oneof(
  fc.double({ noNaN: true, noDefaultInfinity: true }).map((number) => String(number).replace('e+', 'E+')),
  fc.tuple(fc.bigInt({ min: -(10n ** 20n), max: 10n ** 20n }), fc.nat({ max: 10 ** 9 })).map(([a, b]) => `${a}.${b}`),
  fc.constantFrom('1e-07', '1E+20', '2e5', '1.10', '5.0', '1e400', '-1e400', '1e-400', '0.1', '0.30000000000000004'),
); // prettier-ignore

const key = fc.oneof(anyText, fc.constantFrom('a', 'b', '__proto__', 'constructor', 'toString', 'toJSON'));

/** JSON text, `depth` levels at most, with numbers that no double holds. */
export function jsonText(depth = 3): fc.Arbitrary<string> {
  const scalar = fc.oneof(
    anyText.map((text) => JSON.stringify(text)),
    integerToken,
    fractionToken,
    fc.constantFrom(
      'true',
      'false',
      'null',
      '"1"',
      '"true"',
      '"null"',
      '"{}"',
      '"\\"a\\""',
      '"a\\u00e9\\/b"',
    ),
  );
  if (depth === 0) return scalar;
  const inner = jsonText(depth - 1);
  return fc.oneof(
    { weight: 2, arbitrary: scalar },
    { weight: 1, arbitrary: fc.array(inner, { maxLength: 4 }).map((items) => `[${items.join(', ')}]`) },
    {
      weight: 1,
      arbitrary: fc
        .uniqueArray(fc.tuple(key, inner), { maxLength: 4, selector: ([name]) => name })
        .map(
          (members) => `{${members.map(([name, value]) => `${JSON.stringify(name)} :${value}`).join(',')}}`,
        ),
    },
  );
}
