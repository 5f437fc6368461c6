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

const UUID_DIGITS = /^[\da-f]{32}$/i;
const WHOLE_NUMBER = /^(smallint|integer|bigint)$/;
