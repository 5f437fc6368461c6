import { LosslessNumber, parse, stringify } from 'lossless-json';

/** A JSON value whose numbers are exact: safe integers are `number`, all others keep their text. */
export type Json = null | boolean | number | string | LosslessNumber | Json[] | { [key: string]: Json };

/** Database column → value, as a device keeps it. */
export type Row = Record<string, Json>;

export interface SchemaColumn {
  readonly name: string;
  readonly db_type: string;
  readonly logical_type: string;
  readonly nullable: boolean;
  readonly default_sql?: string;
  readonly default_kind: 'none' | 'portable' | 'server_only';
  readonly sqlite_default_sql?: string;
  readonly is_primary_key: boolean;
}

export interface SchemaTable {
  readonly table_name: string;
  readonly push_policy: 'owner_only' | 'disabled';
  readonly parent_table?: string;
  readonly parent_fk_col?: string;
  readonly dependencies?: readonly string[];
  readonly updated_at_column: string;
  readonly deleted_at_column: string;
  readonly primary_key: readonly string[];
  readonly columns: readonly SchemaColumn[];
}

export interface SchemaIds {
  readonly schema_version: number;
  readonly schema_hash: string;
}

export interface SchemaResponse extends SchemaIds {
  readonly server_time: string;
  readonly tables: readonly SchemaTable[];
}

export interface RegisterResponse extends SchemaIds {
  readonly id: string;
  readonly server_time: string;
  readonly last_sync_at?: string;
  readonly checkpoint: number;
}

export interface WireRecord {
  readonly id: string;
  readonly table_name: string;
  readonly data: Row;
  readonly updated_at: string;
  readonly deleted_at?: string;
}

export interface PullResponse extends SchemaIds {
  readonly changes: readonly WireRecord[];
  readonly deletes: readonly { readonly id: string; readonly table_name: string }[];
  readonly checkpoint: number;
  readonly has_more: boolean;
  readonly snapshot_required?: boolean;
  readonly snapshot_reason?: string;
  readonly behind?: boolean;
  readonly bucket_updates?: { readonly added?: readonly string[]; readonly removed?: readonly string[] };
}

export interface SnapshotResponse extends SchemaIds {
  readonly records: readonly WireRecord[];
  readonly cursor?: { readonly checkpoint: number; readonly table_idx: number; readonly after_id: string };
  readonly checkpoint: number;
  readonly has_more: boolean;
}

export interface PushChange {
  readonly id: string;
  readonly table_name: string;
  readonly operation: 'create' | 'update' | 'delete';
  readonly data?: Row | null;
  /** Default, where a {@link PushChange} goes to `Device.push`: now. */
  readonly client_updated_at?: string;
  readonly base_updated_at?: string | null;
}

export interface PushResult {
  readonly id: string;
  readonly table_name: string;
  readonly operation: string;
  readonly status: 'applied' | 'conflict' | 'rejected_terminal' | 'rejected_retryable';
  readonly reason_code?: string;
  readonly message?: string;
  readonly server_version?: WireRecord;
  readonly server_updated_at?: string;
  readonly server_deleted_at?: string;
}

export interface PushResponse extends SchemaIds {
  readonly accepted: readonly PushResult[];
  readonly rejected: readonly PushResult[];
  readonly checkpoint: number;
  readonly server_time: string;
  readonly commit?: string;
}

export interface WireAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** The body, or null when it is not JSON. */
  readonly json: Json;
}

/** One HTTP request; every status is an answer. A `body` that is a string is sent as it is. */
export async function send(
  url: string,
  options: {
    readonly body?: unknown;
    readonly headers?: Readonly<Record<string, string>>;
    readonly method?: string;
  } = {},
): Promise<WireAnswer> {
  const { body } = options;
  const response = await fetch(url, {
    method: options.method ?? (body === undefined ? 'GET' : 'POST'),
    headers: { Accept: 'application/json', 'Content-Type': 'application/json', ...options.headers },
    ...(body !== undefined && { body: typeof body === 'string' ? body : toJson(body) }),
    // As the SDKs' own read timeout.
    signal: AbortSignal.timeout(60_000),
  });
  const text = await response.text();
  return { status: response.status, headers: response.headers, text, json: orNull(text) };
}

export function fromJson(text: string): Json {
  return parse(text, null, (digits) => {
    const number = Number(digits);
    return Number.isSafeInteger(number) && String(number) === digits ? number : new LosslessNumber(digits);
  }) as Json;
}

export function toJson(value: unknown): string {
  return stringify(value) ?? 'null';
}

function orNull(text: string): Json {
  try {
    return fromJson(text);
  } catch {
    return null;
  }
}
