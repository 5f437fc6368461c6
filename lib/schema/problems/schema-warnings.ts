import type { SynchroProblem } from '../../common/errors.js';
import { quoteIdentifier } from '../../common/identifiers.js';
import type { SyncTable } from '../../registry/sync-table.js';
import type { CatalogColumn } from '../introspection/catalog-table.js';
import { isSynced, schemaProblem } from './schema-problem.js';

/** OID of `timestamp without time zone`. */
const TIMESTAMP = 1114;

/** `timestamp` columns: they say a time of day, and not where. */
export function timestampWarnings(
  table: SyncTable,
  columns: readonly CatalogColumn[],
): readonly SynchroProblem[] {
  return columns
    .filter(({ name, type }) => type.oid === TIMESTAMP && isSynced(table, name))
    .map(({ name, dbType }) => {
      const column = quoteIdentifier(name);
      return {
        ...schemaProblem(
          table,
          name,
          `${dbType} in ${table.sql} has no zone: sync reads and writes it as UTC, under any TimeZone of the session`,
          `make sure that your own code writes UTC there, or: ALTER TABLE ${table.sql} ALTER COLUMN ${column} TYPE timestamptz USING ${column} AT TIME ZONE 'UTC'`,
        ),
        group: 'columns without a time zone, which sync reads and writes as UTC',
      };
    });
}

/** Columns that look like secrets, and that the host has not named itself: devices would keep them. */
export function secretWarnings(
  table: SyncTable,
  columns: readonly CatalogColumn[],
): readonly SynchroProblem[] {
  if (table.syncColumns !== null) return [];
  return columns
    .filter(({ name }) => isSynced(table, name) && name !== table.idColumn)
    .flatMap(({ name }) => {
      const sign = SIGNS.find(({ has }) => has(table, name));
      if (!sign) return [];
      const fix = `leave it out: @SyncTable({ excludeColumns: ['${name}'] }); or, if they are to have it, name it in syncColumns`;
      return { ...schemaProblem(table, name, `it ${sign.one}, and devices get it`, fix), group: sign.group };
    });
}

interface SecretSign {
  readonly has: (table: SyncTable, column: string) => boolean;
  readonly one: string;
  readonly group: string;
}

const SIGNS: readonly SecretSign[] = [
  {
    has: (_, column) => looksSecret(column),
    one: 'is named like a secret',
    group: 'columns that are named like secrets, and that devices get',
  },
  {
    has: ({ unserializedColumns }, column) => unserializedColumns.includes(column),
    one: 'is left out of your JSON by @Exclude()',
    group: 'columns that @Exclude() leaves out of your JSON, and that devices get',
  },
];

/** By the words of a name in any case: `password_hash`, `resetToken`, `accesstoken`; not `spinner`. */
function looksSecret(name: string): boolean {
  const words = name.split(/[^a-zA-Z0-9]+|(?<=[a-z0-9])(?=[A-Z])/).map((word) => word.toLowerCase());
  return words.some(
    (word) => SECRETS.has(word.replace(/s$/, '')) || /(?:password|secret|token|hash)s?$/.test(word),
  );
}

const SECRETS: ReadonlySet<string> = new Set(
  'password passwd pwd passphrase secret token hash salt pin otp'.split(' '),
);

/** Columns that devices could not take as they are: see `contract-builder`. */
export function relaxedWarning(table: SyncTable, { name }: CatalogColumn): SynchroProblem {
  return schemaProblem(
    table,
    name,
    'it came NOT NULL and without a constant default to a table that devices have already, where SQLite can not add it like that: for devices it may be null',
    `give it a constant default, so that rows on devices have a value: ALTER TABLE ${table.sql} ALTER COLUMN ${quoteIdentifier(name)} SET DEFAULT …`,
  );
}
