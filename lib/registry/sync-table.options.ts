import type { EntityClass } from './entity-class.js';

/** Which users may push into a table. */
export type PushPolicy = 'owner_only' | 'disabled';

/** Into which buckets pushes may put a table's rows. */
export type WriteBuckets = 'readable' | 'any';

/** Rows of another table on which an {@link OwnershipResolver}'s answer for this table depends. */
export interface BucketSource {
  /** The other table's entity, e.g. `() => TaskShare`. It needs no `@SyncTable`. */
  readonly entity: () => EntityClass;
  /**
   * Its column (or property) that holds this table's primary key. It must be part of the other table's replica
   * identity, so that a deleted row still names it (interleavings 6).
   */
  readonly fkColumn: string;
}

/** The users who read and write a table's rows, by the rows of another table: a team's members, a list's editors. */
export interface Members<Entity extends object = object> {
  /** The entity that has a row for each member, e.g. `() => TeamMember`. It needs no `@SyncTable`. */
  readonly through: () => EntityClass;
  /** Its column (or property) that names the team. It has the type of `column`. */
  readonly teamColumn: string;
  /** Its column (or property) with the member's user id. An index should begin with it, and one with `teamColumn`. */
  readonly userColumn: string;
  /** This table's column that names the team of a row. Default: the primary key, each row has members of its own. */
  readonly column?: ColumnName<Entity>;
  /**
   * Which members write: column (or property) of `through` → the values that it may have, e.g.
   * `{ role: ['editor', 'admin'] }`. Default: all. Every member reads.
   */
  readonly writers?: Readonly<Record<string, readonly (string | number | boolean)[]>>;
  /**
   * Whether the user in `ownerColumn` reads and writes the row without being a member. `false`: as a member alone, so
   * that a user who leaves the team leaves the rows that they have made. Default: true.
   */
  readonly owner?: boolean;
}

/**
 * A column by the entity's property, by a relation that has one join column, or by its name in the database. Editors
 * offer the properties; any name (a database column, the path `address.street` into an embedded entity) is taken, and
 * checked at start.
 */
export type ColumnName<Entity extends object = object> = (keyof Entity & string) | (string & {});

/**
 * Options of one synced table. Columns may be named by database column or by entity property. They hold what the
 * database holds: devices see values as they are stored, not as a TypeORM `transformer` makes them.
 */
export interface SyncTableOptions<Entity extends object = object> {
  /** Default: `owner_only` when the table has an owner column, a parent, members or a `writeFunction`, else `disabled`. */
  readonly pushPolicy?: PushPolicy;
  /** Column that holds the owning user's id. Forced to the user on create, never changed by a client after. */
  readonly ownerColumn?: ColumnName<Entity>;
  /** Parent entity: ownership and buckets are inherited through the foreign key. */
  readonly parent?: () => EntityClass;
  /** Foreign key to the parent. Default: the join column of the entity's relation to `parent`. */
  readonly parentFkColumn?: ColumnName<Entity>;
  /** Columns that clients see and write. Default: all but `select: false` ones. Key and timestamps are always in. */
  readonly syncColumns?: readonly ColumnName<Entity>[];
  /**
   * Columns that clients neither see nor write; all others are synced, also those that are added later. Not together
   * with `syncColumns`. Default: none.
   */
  readonly excludeColumns?: readonly ColumnName<Entity>[];
  /** Entities that clients should push before this one; a hint in the contract. Default: none. */
  readonly dependencies?: readonly (() => EntityClass)[];
  /**
   * Column by which devices know a row: any that is UNIQUE and NOT NULL, and in the table's replica identity. Default:
   * the entity's primary key.
   */
  readonly idColumn?: ColumnName<Entity>;
  /**
   * Devices choose the keys of the rows that they create, though a sequence (`serial`, an identity) fills `idColumn` as
   * well. A key that a device has chosen is one that the sequence comes to later: that insert of yours then fails
   * (SQLSTATE 23505). Default: false, devices create no rows in such a table.
   */
  readonly clientKeys?: boolean;
  /** Default: the `@UpdateDateColumn`, else `updated_at`; none in a table that devices don't write. */
  readonly updatedAtColumn?: ColumnName<Entity>;
  /** Default: the `@DeleteDateColumn`, else `deleted_at`. Without one, a delete removes the row. */
  readonly deletedAtColumn?: ColumnName<Entity>;
  /** Further columns that clients can't write (key, owner, parent key and timestamps never are). */
  readonly protectedColumns?: readonly ColumnName<Entity>[];
  /** Column whose value names the row's bucket. Default: `ownerColumn`. */
  readonly bucketByColumn?: ColumnName<Entity>;
  /** Put before the value. Default: `user:` when the table has a bucket column. */
  readonly bucketPrefix?: string;
  /**
   * Into which buckets a push may put a row by the value of `bucketByColumn`, the row's own or an ancestor's.
   * `readable`: those that its user reads, as the `SubscriptionResolver` says; a change that would put the row into
   * another one is rejected (`bucket_not_readable`). `any`: the value is the user's to choose, for tables whose rows
   * are handed to people, as an inbox. A `bucketFunction` places rows by the host's own rule: what it names is not
   * checked. Default: `readable`.
   */
  readonly writeBuckets?: WriteBuckets;
  /**
   * A row whose bucket column is null goes to `global`. Needs `allowGlobalRead`. Default: `allowGlobalRead`
   * where the bucket column was inferred from the owner column, else false.
   */
  readonly globalWhenBucketNull?: boolean;
  /**
   * SQL function that says which buckets a row is in, instead of the `OwnershipResolver`: a name, with its schema if
   * it is not that of entities which name none, of `(table_name text, operation text, new_row jsonb, old_row jsonb) RETURNS SETOF text`. It is called by
   * the WAL consumer's role. Nulls, empty strings and duplicates are passed over. A child is in its parent's buckets as well.
   *
   * `operation` is `create` for an inserted row, else `update`: a deleted row leaves by the edges that it has, and a
   * soft-deleted one is still asked for, because its children go on inheriting from it. `new_row` is the row as
   * `to_jsonb` has it, less generated columns; `old_row` is null unless the table has REPLICA IDENTITY FULL.
   */
  readonly bucketFunction?: string;
  /** Rows without an owner may be read by everyone. Default: false. */
  readonly allowGlobalRead?: boolean;
  /** Other tables whose rows decide this table's buckets, e.g. shares. Default: none. */
  readonly bucketSources?: readonly BucketSource[];
  /**
   * Users who read and write the rows beside their owner, or in the place of one. It names the rows' buckets and
   * subscribes the members to them. A row goes only to a team of whose writers its user is. Default: none.
   */
  readonly members?: Members<Entity>;
  /**
   * SQL function that says who writes the rows, instead of the owner column: a name, with its schema if it is not that of
   * entities which name none, of `(table_name text, user_id text, old_row jsonb, new_row jsonb) RETURNS boolean`. It is
   * called for each row that a push locks, reads or writes, by the role that writes. Null refuses.
   *
   * `old_row` is null for a create; `new_row` is the row as the device wants it, and `old_row` itself for a delete, and
   * where it is only asked whether the user may write the row at all. Both are as `to_jsonb` has them. A user sees the
   * rows that they may write in the answers to their pushes.
   */
  readonly writeFunction?: string;
}
