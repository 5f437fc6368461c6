/** A row as a device keeps it: column → value. */
export type DeviceRow = Readonly<Record<string, unknown>>;

/** The verdict on a change: see the wire contract for the reasons. */
export interface DeviceVerdict {
  readonly id: string;
  readonly table_name: string;
  readonly operation: string;
  readonly status: 'applied' | 'conflict' | 'rejected_terminal' | 'rejected_retryable';
  readonly reason_code?: string;
  readonly message?: string;
}

export interface SchemaIds {
  readonly schema_version: number;
  readonly schema_hash: string;
}

export interface WireRecord {
  readonly id: string;
  readonly table_name: string;
  readonly data: DeviceRow;
  readonly updated_at: string;
  readonly deleted_at?: string | null;
}

export interface SnapshotPage {
  readonly records: readonly WireRecord[];
  readonly cursor?: unknown;
  readonly checkpoint: number;
  readonly has_more: boolean;
}

export interface PullPage {
  readonly changes: readonly WireRecord[];
  readonly deletes: readonly { readonly id: string; readonly table_name: string }[];
  readonly checkpoint: number;
  readonly has_more: boolean;
  readonly snapshot_required?: boolean;
  readonly snapshot_reason?: string;
}

export interface PushAnswer {
  readonly accepted: readonly DeviceVerdict[];
  readonly rejected: readonly DeviceVerdict[];
  readonly commit?: string;
}
