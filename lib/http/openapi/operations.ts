import {
  anyObject,
  integer,
  type JsonSchema,
  list,
  object,
  oneOf,
  orNull,
  text,
  TIME,
  YES_OR_NO,
} from './json-schema.js';

/** The description of an endpoint with one request and one answer (docs/protocol.md). */
export interface Operation {
  readonly method: 'GET' | 'POST';
  readonly summary: string;
  /** null: it takes no body. */
  readonly request: JsonSchema | null;
  readonly answer: JsonSchema;
}

const SCHEMA_IDS = { schema_version: integer(), schema_hash: text() };
const CALLER = { client_id: text('the device’s own, stable id'), ...SCHEMA_IDS };
const PAGE = { 'limit?': orNull(integer('100 when absent or not positive, at most 1000')) };
const TEXTS = list(text());

const RECORD = object({
  id: text(),
  table_name: text(),
  data: anyObject('every column of the contract'),
  updated_at: TIME,
  'deleted_at?': TIME,
});

const TABLE = {
  table_name: text(),
  push_policy: oneOf('owner_only', 'disabled'),
  'parent_table?': text(),
  'parent_fk_col?': text(),
  'dependencies?': TEXTS,
  updated_at_column: text(),
  deleted_at_column: text(),
  'bucket_by_column?': text(),
  'bucket_prefix?': text(),
  'global_when_bucket_null?': YES_OR_NO,
  'allow_global_read?': YES_OR_NO,
  'bucket_function?': text(),
};

const COLUMN = object({
  name: text(),
  db_type: text(),
  logical_type: oneOf(
    'string',
    'int',
    'int64',
    'boolean',
    'float',
    'bytes',
    'date',
    'time',
    'datetime',
    'json',
  ),
  nullable: YES_OR_NO,
  'default_sql?': text(),
  default_kind: oneOf('none', 'portable', 'server_only'),
  'sqlite_default_sql?': text(),
  is_primary_key: YES_OR_NO,
});

const CHANGE = object({
  'id?': orNull(text('the key as text, made on the device')),
  'table_name?': orNull(text()),
  'operation?': orNull(text('create, update or delete')),
  'data?': orNull(anyObject('the columns to write')),
  'client_updated_at?': orNull(text('when the edit was made')),
  'base_updated_at?': orNull(text('the row’s updated_at that the edit started from')),
});

const RESULT = object({
  id: text(),
  table_name: text(),
  operation: text(),
  status: oneOf('applied', 'conflict', 'rejected_terminal', 'rejected_retryable'),
  'reason_code?': text(),
  'message?': text('for people'),
  'server_version?': RECORD,
  'server_updated_at?': TIME,
  'server_deleted_at?': TIME,
});

const CURSOR = anyObject('opaque: the last answer’s, untouched');

/** By endpoint. The live channel is a stream, for which OpenAPI has no words: docs/live.md. */
export const OPERATIONS = {
  schema: {
    method: 'GET',
    summary: 'The tables and columns that a device makes in its SQLite',
    request: null,
    answer: object({
      ...SCHEMA_IDS,
      server_time: TIME,
      tables: list(object({ ...TABLE, primary_key: TEXTS, columns: list(COLUMN) })),
    }),
  },
  tables: {
    method: 'GET',
    summary: 'The tables alone, with their rules',
    request: null,
    answer: object({ tables: list(object(TABLE)), server_time: TIME, ...SCHEMA_IDS }),
  },
  register: {
    method: 'POST',
    summary: 'Makes the device known',
    request: object({
      ...CALLER,
      'client_name?': orNull(text('for people')),
      'platform?': orNull(text()),
      'app_version?': orNull(text()),
    }),
    answer: object({
      id: text('the server’s id of this device'),
      server_time: TIME,
      'last_sync_at?': TIME,
      checkpoint: integer('the last one that the device acknowledged'),
      ...SCHEMA_IDS,
    }),
  },
  snapshot: {
    method: 'POST',
    summary: 'All rows that the user may see, page by page',
    request: object({ ...CALLER, 'cursor?': orNull(CURSOR), ...PAGE }),
    answer: object({
      records: list(RECORD),
      'cursor?': CURSOR,
      checkpoint: integer('where pulls go on from'),
      has_more: YES_OR_NO,
      ...SCHEMA_IDS,
    }),
  },
  push: {
    method: 'POST',
    summary: 'Changes made on the device, each with a verdict',
    request: object({ ...CALLER, 'changes?': orNull(list(CHANGE)) }),
    answer: object({
      accepted: list(RESULT),
      rejected: list(RESULT),
      checkpoint: integer('always 0'),
      server_time: TIME,
      ...SCHEMA_IDS,
      'commit?': text('for `after` of a pull'),
    }),
  },
  pull: {
    method: 'POST',
    summary: 'Changes since the device’s checkpoint',
    request: object({
      ...CALLER,
      'checkpoint?': orNull(integer('all up to it is acknowledged')),
      ...PAGE,
      'tables?': orNull(TEXTS),
      'known_buckets?': orNull(TEXTS),
      'after?': orNull(text('the `commit` of a push')),
      'wait_ms?': orNull(integer('how long the answer may wait for that: at most 5000')),
    }),
    answer: object({
      changes: list(RECORD),
      deletes: list(object({ id: text(), table_name: text() })),
      checkpoint: integer('for the next request'),
      has_more: YES_OR_NO,
      'snapshot_required?': YES_OR_NO,
      'snapshot_reason?': oneOf(
        'initial_sync_required',
        'checkpoint_before_retention',
        'history_unavailable',
      ),
      'bucket_updates?': object({ 'added?': TEXTS, 'removed?': TEXTS }),
      'behind?': YES_OR_NO,
      ...SCHEMA_IDS,
    }),
  },
} as const satisfies Readonly<Record<string, Operation>>;

export type OperationName = keyof typeof OPERATIONS;

const ERROR = object({ error: text() });
const TRY_LATER = object({ error: text(), retry_after: integer('seconds') });

/** Statuses of an endpoint other than 200. */
export function errorAnswers({
  request,
}: Operation): readonly (readonly [status: number, description: string, schema: JsonSchema])[] {
  return [
    ...(request === null
      ? []
      : ([
          [400, 'Malformed body, missing key, or wrong type', ERROR],
          [404, 'The device is not registered', ERROR],
          [409, 'The device has another schema', SCHEMA_MISMATCH],
          [413, 'The body is too large', ERROR],
        ] as const)),
    [401, 'No user', ERROR],
    [426, 'The app is older than the host allows', ERROR],
    [503, 'The database can’t answer now', TRY_LATER],
  ];
}

const SCHEMA_MISMATCH = object({
  code: oneOf('schema_mismatch'),
  message: text(),
  server_schema_version: integer(),
  server_schema_hash: text(),
});
