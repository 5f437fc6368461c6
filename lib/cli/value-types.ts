import { ELEMENT_OF, type ElementKind } from '../schema/introspection/element-kinds.js';
import type { ContractColumn, WireColumn } from '../schema/schema-contract.js';

/** The declaration of `Json`; a null beside it is the column's. */
export const JSON_TYPE = `/** A JSON value that is not null. */
export type Json = string | number | boolean | readonly (Json | null)[] | { readonly [key: string]: Json | null };`;

/** A column's values as the client has them: the table in docs/client.md, as TypeScript. */
export function valueType(
  column: WireColumn | ContractColumn,
  kinds: ReadonlyMap<string, ElementKind>,
): string {
  if (!('baseSqlType' in column)) return 'string';
  const { baseSqlType, dbType, isArray, logicalType } = column;
  const kind = kinds.get(baseSqlType.replace(ELEMENT_OF, ''));
  if (isArray) return arrayOf(baseSqlType, kind, dbType.endsWith('[]'));
  switch (logicalType) {
    case 'int':
      return 'number';
    case 'float':
      return FLOAT.test(dbType) ? 'number' : 'string';
    case 'boolean':
      return 'boolean';
    case 'json':
      return 'Json';
    case 'string':
      return kind?.labels ? union(kind.labels) : 'string';
    default:
      return 'string';
  }
}

/** @param isDeclared the column is declared as an array, not as a domain over one: exact numbers are strings */
function arrayOf(baseSqlType: string, kind: ElementKind | undefined, isDeclared: boolean): string {
  const element = baseSqlType.replace(ELEMENT_OF, '');
  // A domain's values may be anything.
  if (element === baseSqlType || kind?.isDomain || /^jsonb?$/.test(element)) return '(Json | null)[]';
  if (kind?.labels) return kind.labels.length === 1 ? `${union(kind.labels)}[]` : `(${union(kind.labels)})[]`;
  if (/^(smallint|integer)$/.test(element) || FLOAT.test(element)) return 'number[]';
  if (/^(bigint|numeric)/.test(element)) return isDeclared ? 'string[]' : 'number[]';
  return element === 'boolean' ? 'boolean[]' : 'string[]';
}

const FLOAT = /^(real|double precision)$/;

function union(labels: readonly string[]): string {
  return labels.map((label) => JSON.stringify(label)).join(' | ');
}

/** A name as a property has it. */
export function propertyName(name: string): string {
  return /^[A-Za-z_$][\w$]*$/.test(name) ? name : JSON.stringify(name);
}
