/** A column's type, as `pg_type` describes it. */
export interface CatalogType {
  readonly oid: number;
  /** `typname`, e.g. `jsonb`, `timestamptz`, `_text`. */
  readonly name: string;
  /**
   * `typtype`: `b` base, `e` enum, `r` range, `m` multirange, `c` composite, `p` pseudo, `d` domain (only of an
   * array's elements: a column's domains are resolved).
   */
  readonly kind: string;
  readonly isArray: boolean;
  /** PostgreSQL writes its values into JSON through a cast, not as text (hstore, PostGIS geometry). */
  readonly castsToJson: boolean;
  /** `typdelim`: what stands between the values in an array's text; `;` for box. */
  readonly delimiter: string;
}

/** By what a column's texts are compared. */
export interface CatalogCollation {
  /** Quoted, with its schema, as `COLLATE` takes it. */
  readonly sql: string;
  /** Texts of different bytes are never equal. */
  readonly isDeterministic: boolean;
  /** The database's own, which gives way to any other. */
  readonly isDefault: boolean;
}

/** One column as the catalogs describe it. */
export interface CatalogColumn {
  readonly name: string;
  /** `format_type`, as declared: a domain's own name, an enum's, `numeric(10,2)`. */
  readonly dbType: string;
  /** The same for SQL: with its schema, where that is not PostgreSQL's own. */
  readonly sqlType: string;
  /** The same with every domain resolved. */
  readonly baseSqlType: string;
  /** Its type with every domain resolved. */
  readonly type: CatalogType;
  /** The type of an array's elements; null for what is no array. */
  readonly elementType: CatalogType | null;
  /** null for a type without. */
  readonly collation: CatalogCollation | null;
  /** The server refuses null, by the column or by a domain. */
  readonly notNull: boolean;
  /** Rows that were there before it did may hold null all the same: the constraint is NOT VALID (PostgreSQL 18). */
  readonly mayHoldNull: boolean;
  /** As PostgreSQL prints it, a domain's default included; a generated column's expression is none. */
  readonly defaultSql: string | null;
  readonly generated: boolean;
  readonly identity: 'always' | 'by_default' | null;
  readonly isPrimaryKey: boolean;
  /** Its values are unique by themselves: by a primary key, a constraint or an index of this one column. */
  readonly isUnique: boolean;
}

/** The kind of a relation, as far as its changes are concerned. */
export type RelationKind =
  | 'table'
  | 'view'
  | 'materialized view'
  | 'foreign table'
  | 'unlogged table'
  | 'partition'
  | 'inheritance parent';

/** One table as the catalogs describe it. */
export interface CatalogTable {
  readonly oid: number;
  /** A partitioned table is a `table`: its partitions' changes are published under its name. */
  readonly kind: RelationKind;
  /** The table that a partition belongs to. */
  readonly parent: string | null;
  /** A trigger that may fill columns in before a row is inserted. */
  readonly hasInsertTrigger: boolean;
  /** Rules (`CREATE RULE … DO INSTEAD`) that take the place of an INSERT or an UPDATE of it. */
  readonly writeRules: readonly string[];
  /** Its partitions whose changes are not in the write-ahead log: unlogged and foreign tables. */
  readonly unloggedPartitions: readonly string[];
  /** In `attnum` order. */
  readonly columns: readonly CatalogColumn[];
}
