import type { QualifiedName } from '../common/identifiers.js';
import type { PushPolicy, WriteBuckets } from './sync-table.options.js';

/** A table on which a synced table's buckets depend, with its names in the database. */
export interface ResolvedBucketSource {
  readonly schema: string;
  readonly relation: string;
  readonly fkColumn: string;
}

/** A function of the host's by which a rule is told in SQL. */
export interface SqlFunction extends QualifiedName {
  /** Where the host names none, the one of entities that name none. */
  readonly schema: string;
  /** As the host wrote it, and as the contract has it. */
  readonly text: string;
}

/** The users who read and write a table's rows by those of another one, with its names in the database. */
export interface ResolvedMembers {
  /** The synced table's column that names the team of a row. */
  readonly column: string;
  /** The other table, quoted and with its schema. */
  readonly sql: string;
  readonly teamColumn: string;
  readonly userColumn: string;
  /** How the user column is compared with a user id: `text` compares any type, the others can use an index. */
  readonly userType: 'text' | 'uuid' | 'bigint';
  /** Columns and the texts of the values that they may have for a member who writes. */
  readonly writers: readonly (readonly [column: string, values: readonly string[]])[];
  /** Whether the owner column counts beside. */
  readonly owner: boolean;
  /** Put before the team's name in the bucket of its rows. */
  readonly bucketPrefix: string;
}

/** One synced table with everything inferred; all columns by their database names. */
export interface SyncTable {
  /** The name on the wire: the bare table name, unique among the synced tables. */
  readonly name: string;
  /** The entity's class, for messages. */
  readonly entity: string;
  readonly schema: string;
  /** Quoted, schema-qualified name, ready for SQL. */
  readonly sql: string;
  readonly pushPolicy: PushPolicy;
  readonly idColumn: string;
  /** Devices choose keys even where a sequence fills them. */
  readonly clientKeys: boolean;
  /** null: the table has none; only one that no device may write can be without. */
  readonly updatedAtColumn: string | null;
  /** null: the table has none, so that a delete removes the row. */
  readonly deletedAtColumn: string | null;
  readonly versionColumn: string | null;
  readonly ownerColumn: string | null;
  /** Wire name of the parent. */
  readonly parent: string | null;
  readonly parentFkColumn: string | null;
  /** Sorted wire names. */
  readonly dependencies: readonly string[];
  /** The columns asked for; null means all that are not in {@link hiddenColumns}. */
  readonly syncColumns: readonly string[] | null;
  /** Columns that are left out: `select: false` ones that were not asked for, and those that the host names. */
  readonly hiddenColumns: readonly string[];
  /** Columns that the entity keeps out of the host's JSON, by `@Exclude()`: the start warns of those that are synced. */
  readonly unserializedColumns: readonly string[];
  /** Every column that a client's update can't touch: key, owner, parent key, timestamps, version, and the host's. */
  readonly protectedColumns: ReadonlySet<string>;
  readonly bucketByColumn: string | null;
  readonly bucketPrefix: string | null;
  readonly writeBuckets: WriteBuckets;
  readonly globalWhenBucketNull: boolean;
  readonly allowGlobalRead: boolean;
  /** Decides instead of the `OwnershipResolver`. */
  readonly bucketFunction: SqlFunction | null;
  readonly bucketSources: readonly ResolvedBucketSource[];
  readonly members: ResolvedMembers | null;
  /** Decides who writes the rows, instead of owner and members. */
  readonly writeFunction: SqlFunction | null;
  /** Number of ancestors: 0 for a root. */
  readonly depth: number;
}
