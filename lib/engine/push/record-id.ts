import { isUuid } from '../../common/canonical-id.js';
import type { ContractColumn, ContractTable } from '../../schema/schema-contract.js';
import { integerText, numberToken } from './numbers.js';

/**
 * A key as PostgreSQL prints it, or null for what the column's type can't hold: no such record exists. Asking the
 * database about it would be an SQL error.
 */
export function recordId(column: ContractColumn, value: unknown): string | null {
  const text = typeof value === 'string' ? value : numberToken(value);
  if (text === null || text === '' || UNSENDABLE.test(text)) return null;
  const range = INTEGER_BITS.get(column.baseType);
  if (range !== undefined) return integerId(text, range);
  if (column.baseType === 'uuid') return isUuid(text) ? text.toLowerCase() : null;
  return column.baseType === 'bpchar' ? text.replace(/ +$/, '') : text;
}

/** One text for each record of all tables. */
export function recordKey({ table, primaryKey }: ContractTable, id: string): string {
  return `${table.name}\0${idKey(primaryKey, id)}`;
}

/** One text for all spellings of an id that its type takes for the same. */
export function idKey({ baseType }: ContractColumn, id: string): string {
  return baseType === 'citext' ? id.toLowerCase() : id;
}

/**
 * A condition that a key column equals an id given as text, in a form that can use the key's index. Types that
 * are unusual for keys are compared as text, and slowly, rather than risking a failing cast.
 */
export function sameIdSql(column: ContractColumn, value: string, text: string): string {
  if (TEXTS.has(column.baseType)) return `${value} = ${text}`;
  if (SAFE_CASTS.has(column.baseType)) return `${value} = ${text}::${column.baseType}`;
  return column.dbType === 'citext' ? `${value} = ${text}::${column.sqlType}` : `${value}::text = ${text}`;
}

/** The same for a key column and the ids in an array of texts: an index is looked into once for each of them. */
export function idAmongSql(column: ContractColumn, value: string, texts: string): string {
  if (TEXTS.has(column.baseType)) return `${value} = ANY (${texts}::text[])`;
  if (SAFE_CASTS.has(column.baseType)) return `${value} = ANY (${texts}::${column.baseType}[])`;
  return column.dbType === 'citext'
    ? `${value} = ANY (${texts}::${column.sqlType}[])`
    : `${value}::text = ANY (${texts}::text[])`;
}

/** NUL and lone surrogates can't reach PostgreSQL as they are. */
const UNSENDABLE = /\0|\p{Surrogate}/u;

const INTEGER_BITS: ReadonlyMap<string, number> = new Map([
  ['int2', 16],
  ['int4', 32],
  ['int8', 64],
]);

const TEXTS: ReadonlySet<string> = new Set(['text', 'varchar']);

const SAFE_CASTS: ReadonlySet<string> = new Set(['uuid', 'bpchar', ...INTEGER_BITS.keys()]);

function integerId(text: string, bits: number): string | null {
  const digits = integerText(text);
  if (digits === null) return null;
  return BigInt.asIntN(bits, BigInt(digits)) === BigInt(digits) ? digits : null;
}
