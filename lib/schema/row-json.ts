import { quoteIdentifier, quoteLiteral } from '../common/identifiers.js';
import type { ContractColumn, ContractTable } from './schema-contract.js';

/**
 * A select list over the contract's columns, such that `row_to_json(d.*)::text FROM (SELECT <list> …) d` is the
 * wire's `data` object (docs/protocol.md#values); without the `.*`, a column named `d` would stand for the row. Needs
 * a session under `TEXT_SETTINGS`.
 *
 * Kotlin takes a number without a `.` for a 64-bit integer, and rejects the whole answer when it is none
 * (docs/protocol.md#values, hazard W-DATA-6). Such numbers get a `.0` here: `1e+20` becomes `1.0e+20`, and an integer
 * outside of int64 `N.0`, also inside json values and arrays. No value of a column that devices are told is NOT NULL
 * reads as null.
 *
 * @param alias the table's alias in the statement, unquoted
 */
export function rowColumnsSql({ columns, virtualColumns }: ContractTable, alias: string): string {
  return [
    ...columns.map((column) =>
      columnSql(column, `${quoteIdentifier(alias)}.${quoteIdentifier(column.name)}`),
    ),
    ...virtualColumns.map(({ name }) => `NULL::text AS ${quoteIdentifier(name)}`),
  ].join(', ');
}

/**
 * An envelope timestamp as a JSON string, `"YYYY-MM-DDTHH:MM:SS[.ffffff]Z"`, from a timestamptz or (taken as UTC) a
 * timestamp expression in a UTC session; null stays null. A time that no SDK could parse (infinity, BC, a year of
 * five digits) becomes the nearest time that it can (hazard W-DATA-7).
 */
export function timestampJsonSql(expression: string): string {
  const instant = `(${expression})::timestamptz`;
  return `(CASE WHEN ${isReadableTimeSql(instant)}
    THEN replace(to_json(${instant})::text, '+00:00', 'Z')
    WHEN ${instant} IS NOT NULL THEN CASE WHEN ${instant} > timestamptz '${LATEST}' THEN '"${LATEST}"' ELSE '"${EARLIEST}"' END END)`;
}

/** Whether SDKs can parse a timestamptz; null where it is null. */
export function isReadableTimeSql(instant: string): string {
  return `${instant} BETWEEN timestamptz '${EARLIEST}' AND timestamptz '${LATEST}'`;
}

/** The text of {@link timestampJsonSql}, without the quotes. */
export function timestampEnvelopeSql(expression: string): string {
  return `btrim(${timestampJsonSql(expression)}, '"')`;
}

const EARLIEST = '0001-01-01T00:00:00Z';
const LATEST = '9999-12-31T23:59:59.999999Z';

function columnSql(column: ContractColumn, value: string): string {
  const name = quoteIdentifier(column.name);
  switch (column.baseType) {
    case 'float4':
    case 'float8':
      return `${floatSql(value)} AS ${name}`;
    case 'numeric':
      return `${numericSql(value)} AS ${name}`;
    case 'jsonb':
      return `${documentSql(column, value, jsonbSql(value))} AS ${name}`;
    // A cast leaves out the padding, as the record's id does.
    case 'bpchar':
      return `${value}::text AS ${name}`;
    case 'json':
      return `${documentSql(column, value, jsonSql(value))} AS ${name}`;
    default:
      return column.isArray && !KNOWN_ELEMENTS.has(column.baseType)
        ? `${jsonSql(`to_json(${value})`)} AS ${name}`
        : value;
  }
}

/** Arrays without any number that Kotlin could not read. All others may have some: also those of domains. */
const KNOWN_ELEMENTS: ReadonlySet<string> = new Set([
  '_bool', '_int2', '_int4', '_int8', '_text', '_varchar', '_bpchar', '_uuid', '_bytea', '_date', '_time', '_timestamp',
  '_timestamptz',
]); // prettier-ignore

/** Shortest output has an exponent and no point when the mantissa is one digit: 1e+20, 5e-07. */
function floatSql(value: string): string {
  return `CASE WHEN ${value}::text ~ '^-?[0-9]e' THEN replace(${value}::text, 'e', '.0e')::json ELSE to_json(${value}) END`;
}

/**
 * A scale of one prints `.0`. NaN and the infinities are strings. A number beyond a double becomes the nearest
 * double: from a string, SQLite would make an infinity, which no SDK can send back.
 */
function numericSql(value: string): string {
  return `CASE WHEN ${value} BETWEEN ${INT64_MIN} AND ${INT64_MAX} THEN ${value}
    WHEN ${value} BETWEEN -${DOUBLE_MAX} AND ${DOUBLE_MAX} THEN CASE WHEN scale(${value}) = 0 THEN round(${value}, 1) ELSE ${value} END
    WHEN ${value} IN ('NaN', 'Infinity', '-Infinity') THEN ${value}
    ELSE round(sign(${value}) * ${DOUBLE_MAX}, 1) END`;
}

const INT64_MIN = '-9223372036854775808';
const INT64_MAX = '9223372036854775807';
const DOUBLE_MAX = '1.7976931348623157e308::numeric';

/**
 * A device keeps a document as its JSON text, and makes NULL of a JSON null: a column that refuses that would fail its
 * whole page. There the JSON null goes as the text that stands for it in SQLite, which comes back as JSON null.
 */
function documentSql({ baseType, nullable }: ContractColumn, value: string, document: string): string {
  if (nullable) return document;
  return `CASE WHEN ${baseType}_typeof(${value}) = 'null' THEN '"${NULL_DOCUMENT}"' ELSE ${document} END`;
}

/** Stands for a JSON null in a document column that is NOT NULL on devices. */
export const NULL_DOCUMENT = 'null';

/** jsonb prints numbers without exponents, so only long runs of digits are suspect. */
function jsonbSql(value: string): string {
  return `CASE WHEN ${value}::text ~ '[0-9]{19}' THEN ${withPoints(value)}::jsonb ELSE ${value} END`;
}

/** json keeps its text as it was written. */
function jsonSql(value: string): string {
  return `CASE WHEN ${value}::text ~ ${quoteLiteral(SUSPECT_JSON)} THEN ${wholeCharacters(withPoints(value))}::json ELSE ${value} END`;
}

const SUSPECT_JSON = String.raw`[0-9]{19}|[0-9][eE]\+?[0-9]{3}|(^|[^0-9A-Za-z"])-?[0-9]+[eE]|\\u[dD][89a-fA-F]`;

/**
 * The JSON text, with U+FFFD for each escape that is half of a surrogate pair: json takes any four digits, but Swift
 * would refuse the whole answer. As an escape, which every encoding of a database has.
 */
function wholeCharacters(text: string): string {
  return `(SELECT string_agg(
      CASE WHEN t.m[1] ~ ${HALF_A_PAIR} THEN ${REPLACEMENT} ELSE t.m[1] END, '' ORDER BY t.n)
    FROM regexp_matches(${text}, ${quoteLiteral(ESCAPE_TOKEN)}, 'g') WITH ORDINALITY AS t(m, n))`;
}

const HALF_A_PAIR = quoteLiteral(String.raw`^\\u[dD][89a-fA-F]..$`);
const REPLACEMENT = quoteLiteral(String.raw`\ufffd`);

/** The longest wins: a pair, half of one, any other escape, and the text between. */
const ESCAPE_TOKEN = String.raw`(\\u[dD][89abAB]..\\u[dD][c-fC-F]..|\\u[dD][89a-fA-F]..|\\.|[^\\]+)`;

/**
 * The JSON text, with a point in each number that needs one. It is cut into strings, numbers and the rest, so that
 * digits within strings stay; it runs only where a cheap check of the text found something suspect. A number with
 * over 308 digits before its point, beyond a double, becomes a string: Swift would refuse the whole answer, and
 * Kotlin would write an infinity into the document.
 */
function withPoints(value: string): string {
  const exponent = `substring(t.m[1] FROM '[eE][+]?0*([0-9]+)$')`;
  const power = `CASE WHEN length(${exponent}) > 3 THEN 999 ELSE coalesce(${exponent}::integer, 0) END`;
  return `(SELECT string_agg(CASE
    WHEN t.m[1] !~ '^-?[0-9]' THEN t.m[1]
    WHEN length(substring(t.m[1] FROM '^-?([0-9]+)')) + ${power} > 308 THEN '"' || t.m[1] || '"'
    WHEN t.m[1] ~ '^-?[0-9]+[eE]' THEN regexp_replace(t.m[1], '[eE]', '.0e')
    WHEN t.m[1] ~ '^-?[0-9]{19,}$' AND t.m[1]::numeric NOT BETWEEN ${INT64_MIN} AND ${INT64_MAX} THEN t.m[1] || '.0'
    ELSE t.m[1] END, '' ORDER BY t.n)
    FROM regexp_matches(${value}::text, ${quoteLiteral(JSON_TOKEN)}, 'g') WITH ORDINALITY AS t(m, n))`;
}

/**
 * The longest match wins: a run of unchanged text, or else a number. One row for each number took four seconds for a
 * document of a megabyte.
 */
const JSON_TOKEN = String.raw`((?:[^"0-9-]|"(?:[^"\\]|\\.)*"|-?[0-9]{1,18}(?:\.[0-9]+)?(?![0-9.eE]))+|-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)`;
