/** The wire contract (docs/protocol.md), as far as this client reads it. */
export interface SchemaIds {
  readonly schema_version: number;
  readonly schema_hash: string;
}

export interface Schema extends SchemaIds {
  readonly tables: readonly SchemaTable[];
}

export interface SchemaTable {
  readonly table_name: string;
  readonly push_policy: string;
  readonly parent_table?: string;
  readonly parent_fk_col?: string;
  readonly updated_at_column: string;
  readonly deleted_at_column: string;
  readonly primary_key: readonly string[];
  readonly columns: readonly SchemaColumn[];
}

export interface SchemaColumn {
  readonly name: string;
  readonly db_type: string;
  readonly logical_type: string;
  readonly nullable: boolean;
  readonly default_kind: string;
  readonly sqlite_default_sql?: string;
}

export interface WireRecord {
  readonly id: string;
  readonly table_name: string;
  readonly data: Record<string, unknown>;
  readonly updated_at: string;
  readonly deleted_at?: string | null;
}

export interface PullPage extends SchemaIds {
  readonly changes: readonly WireRecord[];
  readonly deletes: readonly { readonly id: string; readonly table_name: string }[];
  readonly checkpoint: number;
  readonly has_more: boolean;
  readonly snapshot_required?: boolean;
  readonly snapshot_reason?: string;
  /** True when the log does not have the commit of `after` yet. */
  readonly behind?: boolean;
}

export interface SnapshotPage extends SchemaIds {
  readonly records: readonly WireRecord[];
  readonly cursor?: unknown;
  readonly checkpoint: number;
  readonly has_more: boolean;
}

export interface PushChange {
  readonly id: string;
  readonly table_name: string;
  readonly operation: string;
  readonly data: Readonly<Record<string, unknown>> | null;
  readonly client_updated_at: string;
  readonly base_updated_at: string | null;
}

export interface PushResult {
  readonly id: string;
  readonly table_name: string;
  readonly operation: string;
  readonly status: string;
  readonly reason_code?: string;
  readonly message?: string;
  readonly server_version?: WireRecord | null;
  readonly server_updated_at?: string | null;
}

export interface PushAnswer extends SchemaIds {
  readonly accepted: readonly PushResult[];
  readonly rejected: readonly PushResult[];
  /** The commit's position in the WAL; opaque. */
  readonly commit?: string;
}
