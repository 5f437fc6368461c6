import { uuidText, withoutPadding } from '../../../common/canonical-id.js';
import type { ContractColumn, ContractTable } from '../../../schema/schema-contract.js';
import { integerText, numberToken } from './numbers.js';

/**
 * A key as PostgreSQL prints it, or null for what the column's type can't hold: no such record exists. Asking the
 * database about it would be an SQL error.
 */
export function recordId(column: ContractColumn, value: unknown): string | null {
  const text = typeof value === 'string' ? value : numberToken(value);
  if (text === null || !isSendable(text)) return null;
  const range = INTEGER_BITS.get(column.baseType);
  if (range !== undefined) return integerId(text, range);
  if (column.baseType === 'uuid') return uuidText(text);
  // Of blanks alone it has no text of its own.
  return column.baseType === 'bpchar' ? withoutPadding(text) || null : text;
}

/** Whether a text can be an id at all. */
export function isSendable(id: string): boolean {
  return id !== '' && !UNSENDABLE.test(id);
}

/** One text for each record of all tables. */
export function recordKey({ table }: ContractTable, id: string): string {
  return `${table.name}\0${id}`;
}

/**
 * A condition that a key column equals an id that {@link recordId} made, in a form that can use the key's index.
 * Every type that a key may have takes its text ({@link identityProblems}).
 */
export function sameIdSql({ baseType }: ContractColumn, value: string, text: string): string {
  return `${value} = ${text}::${baseType}`;
}

/** The same for a key column and the ids in an array of texts: each id is one search of the index. */
export function idAmongSql({ baseType }: ContractColumn, value: string, texts: string): string {
  return `${value} = ANY (${texts}::${baseType}[])`;
}

/** NUL and lone surrogates can't reach PostgreSQL as they are. */
const UNSENDABLE = /\0|\p{Surrogate}/u;

const INTEGER_BITS: ReadonlyMap<string, number> = new Map([
  ['int2', 16],
  ['int4', 32],
  ['int8', 64],
]);

function integerId(text: string, bits: number): string | null {
  const digits = integerText(text);
  if (digits === null) return null;
  return BigInt.asIntN(bits, BigInt(digits)) === BigInt(digits) ? digits : null;
}
