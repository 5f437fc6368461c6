import { quoteIdentifier, quoteLiteral } from '../../../common/identifiers.js';
import type { ContractColumn, ContractTable } from '../../../schema/schema-contract.js';
import type { Granted } from '../policy/granted.js';

/** The shape of a group: the same table and columns for all its records. */
export interface GroupShape {
  readonly contract: ContractTable;
  /** The columns that clients' values go to; without the key. */
  readonly columns: readonly ContractColumn[];
  readonly form: WriteForm;
  /** A policy has allowed it, under the locks of the rows; null: the rule in SQL decides. */
  readonly granted: Granted | null;
}

/**
 * `plain` statements work on every table: nothing but the INSERT or UPDATE itself. A key that is taken is an error
 * then, where the usual form leaves the record out.
 */
export type WriteForm = 'usual' | 'plain';

/**
 * Every column has the type that it is declared with, so values are read as the column itself would read them. Domains
 * come later (see {@link valueSql}): one that refuses null would refuse what a device leaves alone.
 */
export function recordsSql({ contract, columns }: GroupShape): string {
  const definitions = [
    contract.primaryKey,
    ...columns,
    { name: keptName(contract), baseSqlType: 'integer[]' },
  ].map(({ name, baseSqlType }) => `${quoteIdentifier(name)} ${baseSqlType}`);
  return `json_to_recordset($1::json) AS r(${definitions.join(', ')})`;
}

/** The member of a record that lists the group's columns which its device did not touch: no column has this name. */
export function keptName({ columns }: ContractTable): string {
  let name = 'kept';
  while (columns.some((column) => column.name === name)) name += '_';
  return name;
}

/**
 * A value that the device only holds, perhaps inexactly, stays as it is, even where PostgreSQL could not read it
 * again.
 */
export function changedSql({ contract }: GroupShape, column: ContractColumn, index: number): string {
  const [name, kept] = [column.name, keptName(contract)].map(quoteIdentifier);
  return `CASE WHEN ${index} = ANY (r.${kept}) THEN t.${name} ELSE ${valueSql(column)} END`;
}

/** A JSON null reads as SQL's; a document column that refuses that one may hold the other (W-DATA-3). */
export function valueSql({ name, baseType, sqlType, baseSqlType, ...column }: ContractColumn): string {
  const read = `r.${quoteIdentifier(name)}`;
  const isDocument = baseType === 'json' || baseType === 'jsonb';
  // For devices the column may be null: their null means the default.
  const refusesNull = !column.nullable || column.nullMeansDefault;
  const value = isDocument && refusesNull ? `coalesce(${read}, 'null')` : read;
  return sqlType === baseSqlType ? value : `${value}::${sqlType}`;
}

/** The values of a record that its device wants written, as `jsonb`, less those that it left alone. */
export function sentJsonb({ contract, columns }: GroupShape): string {
  const kept = keptName(contract);
  const names = columns.map(({ name }) => quoteLiteral(name)).join(', ');
  const left = `(SELECT coalesce(array_agg((ARRAY[${names}]::text[])[k.n + 1]), '{}') FROM unnest(r.${quoteIdentifier(kept)}) AS k(n))`;
  return `(to_jsonb(r.*) - ${quoteLiteral(kept)} - ${left})`;
}
