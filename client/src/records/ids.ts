import type { Column, TableSchema } from './columns.js';

/** A record's id as the server writes it, however the app does: two texts of one id would be two rows here. */
export function canonicalId(table: TableSchema | undefined, id: string): string {
  const column = table?.columns.get(table.key);
  return column ? canonicalText(column, id) : id;
}

/** PostgreSQL reads a UUID in capitals, in braces and without hyphens, and a whole number with zeros before it. */
export function canonicalText({ dbType }: Column, text: string): string {
  if (dbType === 'uuid') {
    const digits = text.replace(/^\{(.*)\}$/, '$1').replaceAll('-', '');
    if (!UUID_DIGITS.test(digits)) return text;
    return digits.toLowerCase().replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
  }
  return WHOLE_NUMBER.test(dbType) && /^[+-]?\d+$/.test(text) ? String(BigInt(text.replace('+', ''))) : text;
}

/** The id of the record that a value names; undefined where it names none. A number names one, too. */
export function namedId(value: unknown): string | undefined {
  if (typeof value === 'number') return String(value);
  return typeof value === 'string' ? value : undefined;
}

const UUID_DIGITS = /^[\da-f]{32}$/i;
const WHOLE_NUMBER = /^(smallint|integer|bigint)$/;
