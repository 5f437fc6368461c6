import type { SdkJson } from './strict-json.js';

/** Java's form of a double, as kotlinx.serialization writes it. */
export function kotlinDouble(double: number): string {
  const magnitude = Math.abs(double);
  if (double === 0 || (magnitude >= 1e-3 && magnitude < 1e7)) {
    const text = Object.is(double, -0) ? '-0' : String(double);
    return text.includes('.') ? text : `${text}.0`;
  }
  const [mantissa = '', exponent = ''] = double.toExponential().split('e');
  return `${mantissa.includes('.') ? mantissa : `${mantissa}.0`}E${Number(exponent)}`;
}

/** A document as Kotlin prints it into SQLite. */
export function kotlinText(value: SdkJson): string {
  if (typeof value === 'number') return kotlinDouble(value);
  return jsonText(
    value,
    kotlinText,
    (members) => members,
    (text) => text,
  );
}

/** Swift orders members by hash, escapes slashes, and takes a double without fraction for an integer. */
export function swiftText(value: SdkJson): string {
  if (typeof value === 'number') return Object.is(value, -0) ? '-0' : String(value);
  return jsonText(
    value,
    swiftText,
    (members) => members.toReversed(),
    (text) => text.replaceAll('/', String.raw`\/`),
  );
}

function jsonText(
  value: SdkJson,
  inner: (value: SdkJson) => string,
  order: (members: [string, SdkJson][]) => [string, SdkJson][],
  escape: (text: string) => string,
): string {
  if (typeof value === 'bigint') return String(value);
  if (typeof value === 'string') return escape(JSON.stringify(value));
  if (Array.isArray(value)) return `[${value.map(inner).join(',')}]`;
  if (typeof value !== 'object' || value === null) return String(value);
  const members = order(Object.entries(value));
  return `{${members.map(([name, member]) => `${escape(JSON.stringify(name))}:${inner(member)}`).join(',')}}`;
}
