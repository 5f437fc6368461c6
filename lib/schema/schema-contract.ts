import type { SyncTable } from '../registry/sync-table.js';
import type { FormerLabels } from '../store/enum-labels.js';

/** The types that the SDKs' SQLite databases know. */
export type LogicalType =
  'string' | 'int' | 'int64' | 'float' | 'boolean' | 'json' | 'bytes' | 'date' | 'time' | 'datetime';

/** A column as devices are told of it. */
export interface WireColumn {
  readonly name: string;
  /** PostgreSQL's `format_type`, e.g. `numeric(10,2)`. */
  readonly dbType: string;
  readonly logicalType: LogicalType;
  /**
   * Nullability for clients. Wider than the database where the server fills the value in: a pushable table's NOT NULL
   * column whose default only the server can compute is nullable for them (hazard W-DATA-8).
   */
  readonly nullable: boolean;
  /** The default as PostgreSQL prints it; null when there is none (generated columns have none). */
  readonly defaultSql: string | null;
  readonly defaultKind: 'none' | 'portable' | 'server_only';
  readonly sqliteDefaultSql: string | null;
  readonly isPrimaryKey: boolean;
}

/** One column of the contract that is in the table. */
export interface ContractColumn extends WireColumn {
  /** The same for SQL: with its schema, where that is not PostgreSQL's own. */
  readonly sqlType: string;
  /** The same with every domain looked through. */
  readonly baseSqlType: string;
  /** The type below all domains, e.g. `jsonb`, `timestamptz`, `_text`. */
  readonly baseType: string;
  readonly isArray: boolean;
  /** Labels of enums that were renamed; undefined where none was that it may hold. */
  readonly formerLabels?: FormerLabels | undefined;
  /** The database refuses null, but has a value of its own to put there: a client's null means DEFAULT (W-DATA-8). */
  readonly nullMeansDefault: boolean;
  /** The server's alone (generated, identity always, or unique and filled by a sequence): never written by clients. */
  readonly generated: boolean;
}

/** One table of the contract. */
export interface ContractTable {
  readonly table: SyncTable;
  readonly oid: number;
  /** In the table's own order: every column that clients see, and no other. */
  readonly columns: readonly ContractColumn[];
  /** The times that devices have a column for and the table has not; their values are null, and none is ever stored. */
  readonly virtualColumns: readonly WireColumn[];
  /** The column by which devices know a row: the `idColumn`. */
  readonly primaryKey: ContractColumn;
  /** A sequence gives out the keys, so that devices make no rows. */
  readonly hasServerKeys: boolean;
}

/** The schema that clients and server share at one moment. */
export interface SchemaContract {
  /** Row of `sync_schema_manifest`. */
  readonly version: bigint;
  /** Lower-case hex SHA-256 over {@link tablesJson}. */
  readonly hash: string;
  /** Fingerprint of the catalogs that it was read from (interleavings 25). */
  readonly token: string;
  readonly tables: ReadonlyMap<string, ContractTable>;
  /** Tables that DDL has made unfit for writing while the app ran: devices keep what they would write there. */
  readonly closed: ReadonlySet<string>;
  /** The `tables` array of `GET /sync/schema`, as JSON text. */
  readonly schemaTablesJson: string;
  /** The `tables` array of `GET /sync/tables`, as JSON text. */
  readonly metaTablesJson: string;
}
