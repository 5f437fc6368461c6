/**
 * How values are written as text, whatever the host's or the server's defaults are: in UTC, at full precision
 * (interleavings 2, hazard W-DATA-5). The same on pooled and on replication connections.
 */
export const TEXT_SETTINGS = {
  TimeZone: 'UTC',
  DateStyle: 'ISO, MDY',
  IntervalStyle: 'postgres',
  bytea_output: 'hex',
  extra_float_digits: '1',
  client_encoding: 'UTF8',
} as const;

/** Settings that decide the meaning of sync's statements, and that an error ends a statement, not the connection. */
const MEANING_SETTINGS = {
  array_nulls: 'on',
  quote_all_identifiers: 'off',
  xmloption: 'content',
  exit_on_error: 'off',
} as const;

/** Settings that decide the plans of sync's statements: they are planned as they were measured. */
const PLANNER_SETTINGS = {
  plan_cache_mode: 'auto',
  jit: 'off',
  cursor_tuple_fraction: '0.1',
  from_collapse_limit: '8',
  join_collapse_limit: '8',
  enable_bitmapscan: 'on',
  enable_hashagg: 'on',
  enable_hashjoin: 'on',
  enable_indexonlyscan: 'on',
  enable_indexscan: 'on',
  enable_material: 'on',
  enable_mergejoin: 'on',
  enable_nestloop: 'on',
  enable_seqscan: 'on',
  enable_sort: 'on',
} as const;

/**
 * Set in each of our transactions, and gone with it. Three settings of the host's stay, as the host's own code runs in the same
 * transactions (triggers, policies, hooks) and is read by them: `search_path`, `standard_conforming_strings` and
 * `transform_null_equals`. Our SQL means the same under any of their values: it qualifies names, writes backslashes
 * in `E''` only, and never compares with `= NULL`. So do the formats of `money` and `to_char` (`lc_*`).
 */
export const POOLED_SETTINGS = {
  ...TEXT_SETTINGS,
  ...MEANING_SETTINGS,
  ...PLANNER_SETTINGS,
  row_security: 'on',
} as const;

/** Settings of connections that only sync uses; PostgreSQL 14 knows all of them. */
export const OWN_SETTINGS = {
  ...TEXT_SETTINGS,
  ...MEANING_SETTINGS,
  ...PLANNER_SETTINGS,
  default_transaction_isolation: 'read committed',
  default_transaction_read_only: 'off',
  default_transaction_deferrable: 'off',
  client_min_messages: 'warning',
  // A batch takes as long as it takes: the host's limits are for its requests.
  statement_timeout: '0',
  lock_timeout: '0',
  idle_in_transaction_session_timeout: '0',
  idle_session_timeout: '0',
  // A position that was acknowledged, and a seq that a device holds, must outlive a crash.
  synchronous_commit: 'on',
} as const;

/** PostgreSQL 17's limit of a whole transaction. Older servers don't know the name. */
const TRANSACTION_TIMEOUT = 'transaction_timeout';

/** A select list that lifts the limit of transactions, for the one at hand or (not `local`) for the connection. */
export function unlimitedSql({ local }: { readonly local: boolean }): string {
  return `CASE WHEN current_setting('${TRANSACTION_TIMEOUT}', true) <> '0'
         THEN set_config('${TRANSACTION_TIMEOUT}', '0', ${local}) END`;
}

/** A select list that sets each of them, until the transaction ends. */
export function localSettingsSql(settings: Readonly<Record<string, string>>): string {
  return Object.entries(settings)
    .map(([name, value]) => `set_config('${name}', '${value}', true)`)
    .join(', ');
}
