import type { DataSource } from 'typeorm';
import { problemsError } from '../common/errors.js';
import { syncSchema } from '../database/sync-schema.js';
import { discoverTables } from '../registry/discovery.js';
import { elementKinds, type ElementKind } from '../schema/introspection/element-kinds.js';
import type { ContractColumn, ContractTable, WireColumn } from '../schema/schema-contract.js';
import { SchemaService } from '../schema/schema.service.js';
import { JSON_TYPE, propertyName, valueType } from './value-types.js';

const HEADER = `// Printed by \`npx nestjs-synchro types\` from the database. Don't edit it: print it again after a migration.`;

/**
 * The TypeScript types of a DataSource's synced tables, for the client's `createSync<Tables>`. The same database gives
 * the same text.
 *
 * @param dataSource an initialised one; the sync tables may be missing
 * @throws SynchroError `configuration_invalid` with all that keeps the tables from being synced
 */
export async function tableTypes(dataSource: DataSource): Promise<string> {
  const registry = discoverTables(dataSource, syncSchema(dataSource));
  const { tables, problems } = await new SchemaService(registry, dataSource).check();
  if (problems.length > 0) throw problemsError(problems);
  const kinds = await elementKinds(
    dataSource.manager,
    tables.flatMap(({ columns }) => columns),
  );
  const texts = tables
    .toSorted((left, right) => (left.table.name < right.table.name ? -1 : 1))
    .map((table) => tableText(table, kinds));
  return `${HEADER}\n\n${JSON_TYPE}\n\nexport interface Tables {\n${texts.join('')}}`;
}

type Kinds = ReadonlyMap<string, ElementKind>;

function tableText(contract: ContractTable, kinds: Kinds): string {
  const { table, columns, virtualColumns, hasServerKeys } = contract;
  const isWritable = table.pushPolicy !== 'disabled';
  const isCreatable = isWritable && !hasServerKeys;
  const row = [...columns, ...virtualColumns].map((column) => {
    const mayBeNull = column.nullable || (isCreatable && isFilledLater(contract, column));
    return property(column, kinds, { isOptional: false, mayBeNull });
  });
  const create = columns.filter((column) => isCreated(contract, column));
  const update = columns.filter((column) => isUpdated(contract, column));
  return [
    `  ${propertyName(table.name)}: {\n`,
    objectText('row', row),
    objectText('create', isCreatable ? create.map((column) => createProperty(column, kinds)) : null),
    objectText(
      'update',
      isWritable
        ? update.map((column) => property(column, kinds, { isOptional: true, mayBeNull: column.nullable }))
        : null,
    ),
    '  };\n',
  ].join('');
}

/** A create takes what the server would: the key, the parent's key, and what is neither protected nor the owner. */
function isCreated({ table }: ContractTable, column: ContractColumn): boolean {
  if (column.isPrimaryKey) return true;
  if (column.generated || column.name === table.ownerColumn) return false;
  return !table.protectedColumns.has(column.name) || column.name === table.parentFkColumn;
}

function isUpdated({ table }: ContractTable, column: ContractColumn): boolean {
  return !column.isPrimaryKey && !column.generated && !table.protectedColumns.has(column.name);
}

/** A row that was made on the device has no value there until the server's version comes. */
function isFilledLater(contract: ContractTable, column: WireColumn): boolean {
  if (column.defaultKind === 'portable') return false;
  return !contract.columns.some((each) => each.name === column.name && isCreated(contract, each));
}

function createProperty(column: ContractColumn, kinds: Kinds): string {
  // The client makes a UUID, which is a key of these types alone.
  const isMadeHere = column.isPrimaryKey && ['uuid', 'text', 'citext', 'varchar'].includes(column.baseType);
  const isOptional = column.isPrimaryKey ? isMadeHere : column.nullable || column.defaultKind !== 'none';
  return property(column, kinds, { isOptional, mayBeNull: column.nullable && !column.isPrimaryKey });
}

function property(
  column: WireColumn | ContractColumn,
  kinds: Kinds,
  { isOptional, mayBeNull }: { readonly isOptional: boolean; readonly mayBeNull: boolean },
): string {
  const mark = isOptional ? '?' : '';
  const type = valueType(column, kinds);
  return `${propertyName(column.name)}${mark}: ${type}${mayBeNull ? ' | null' : ''};`;
}

/** @param properties null where the client may not make the call at all */
function objectText(name: string, properties: readonly string[] | null): string {
  if (properties === null) return `    ${name}: never;\n`;
  // An empty object type would take any object.
  if (properties.length === 0) return `    ${name}: Record<string, never>;\n`;
  return `    ${name}: {\n${properties.map((line) => `      ${line}\n`).join('')}    };\n`;
}
