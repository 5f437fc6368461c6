import type { SynchroProblem } from '../../common/errors.js';
import { quoteIdentifier } from '../../common/identifiers.js';
import { memberBucket } from '../../registry/buckets/members.js';
import type { SyncTable } from '../../registry/sync-table.js';
import type { CatalogColumn, CatalogTable } from '../introspection/catalog-table.js';
import { schemaProblem } from './schema-problem.js';

/**
 * The columns that decide identity and ownership of a row: key, owner, bucket and parent. Their values are compared
 * as text: by the WAL consumer, by SQL and by devices. So their types must have one text for each value, the same as
 * `::text` gives it (the stream's `char(n)` loses its padding in the decoder, as it does in a cast), and equal values
 * must have equal texts, which citext, numeric and a nondeterministic collation don't have (hazard W-HOST-22).
 */
export function identityProblems(table: SyncTable, { columns }: CatalogTable): readonly SynchroProblem[] {
  const roles = [
    ['idColumn', table.idColumn],
    ['ownerColumn', table.ownerColumn],
    ['parentFkColumn', table.parentFkColumn],
    ['bucketByColumn', table.bucketByColumn === table.ownerColumn ? null : table.bucketByColumn],
    ['members', memberBucket(table)?.column ?? null],
  ] as const;
  return roles.flatMap(([option, name]) => {
    const column = columns.find((each) => each.name === name);
    if (!column) return [];
    const problem = identityProblem(column, option === 'bucketByColumn' || option === 'members');
    if (problem === null) return [];
    return [schemaProblem(table, option, `${column.name} ${problem.message}`, problem.fix(table.sql))];
  });
}

/** The reason why a column can't name rows, users or buckets, and its fix in a relation; null: none. */
export function identityProblem(
  { name, dbType, type, collation }: CatalogColumn,
  isBucket: boolean,
): { readonly message: string; readonly fix: (relation: string) => string } | null {
  const column = quoteIdentifier(name);
  const types = isBucket ? BUCKET_TYPES : KEY_TYPES;
  if (!types.has(type.oid) && !(isBucket && type.kind === 'e')) {
    const allowed = `text, varchar, char, uuid, smallint, integer${isBucket ? ', bigint, date or an enum' : ' or bigint'}`;
    return {
      message: `is ${dbType}, whose values have not one text each that the write-ahead log, SQL and devices agree on`,
      fix: (relation) =>
        `make it ${allowed}, or a domain over one, e.g. ALTER TABLE ${relation} ALTER COLUMN ${column} TYPE text USING ${column}::text`,
    };
  }
  if (collation === null || collation.isDeterministic) return null;
  return {
    message: `has the nondeterministic collation ${collation.sql}, which takes different texts for equal, while sync and devices do not`,
    fix: (relation) => `ALTER TABLE ${relation} ALTER COLUMN ${column} TYPE ${dbType} COLLATE "default"`,
  };
}

/** OIDs of text, varchar, char(n), uuid, smallint, integer and bigint (`pg_type.dat`). */
const KEY_TYPES: ReadonlySet<number> = new Set([25, 1043, 1042, 2950, 21, 23, 20]);

/** The same, and date. Labels of an enum may be renamed, so that they name buckets, but no rows or users. */
const BUCKET_TYPES: ReadonlySet<number> = new Set([...KEY_TYPES, 1082]);
