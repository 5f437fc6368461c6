import { OPEN_FAILURE } from '../changelog/open-failure.js';
import { LIVE_TABLES } from './live-tables.js';
import type { SynchroMigration } from './migration.js';

/**
 * The reference's six tables with its columns (docs/internals/architecture.md#the-tables), so that a deployment can
 * swap servers in place, plus what the rules of docs/internals/architecture.md need. Text is compared bytewise (`C`):
 * it is cheaper to index and gives pages an order that doesn't depend on a locale.
 */
export const syncTables: SynchroMigration = {
  number: 1,
  name: 'sync tables',
  up: [
    `CREATE TABLE IF NOT EXISTS :sync.sync_changelog (
       seq bigint PRIMARY KEY,
       bucket_id text COLLATE "C" NOT NULL,
       table_name text COLLATE "C" NOT NULL,
       record_id text COLLATE "C" NOT NULL,
       operation smallint NOT NULL,
       created_at timestamptz NOT NULL DEFAULT now()
     )`,
    `ALTER TABLE :sync.sync_changelog ADD COLUMN IF NOT EXISTS served_at timestamptz`,
    // A writer that takes numbers from a sequence would break seq order: it must fail loudly.
    `ALTER TABLE :sync.sync_changelog ALTER COLUMN seq DROP DEFAULT`,
    `CREATE INDEX IF NOT EXISTS sync_changelog_bucket ON :sync.sync_changelog (bucket_id, seq)`,
    `COMMENT ON COLUMN :sync.sync_changelog.served_at IS 'updated_at to serve with this entry where the row''s own would make devices skip it'`,

    `CREATE TABLE IF NOT EXISTS :sync.sync_clients (
       id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
       user_id text COLLATE "C" NOT NULL,
       client_id text COLLATE "C" NOT NULL,
       client_name text,
       platform text NOT NULL DEFAULT '',
       app_version text NOT NULL DEFAULT '',
       bucket_subs text[] NOT NULL DEFAULT '{}',
       last_sync_at timestamptz,
       last_pull_at timestamptz,
       last_push_at timestamptz,
       last_pull_seq bigint,
       is_active boolean NOT NULL DEFAULT true,
       created_at timestamptz NOT NULL DEFAULT now(),
       updated_at timestamptz NOT NULL DEFAULT now(),
       UNIQUE (user_id, client_id)
     )`,
    `ALTER TABLE :sync.sync_clients
       ADD COLUMN IF NOT EXISTS snapshot_seq bigint,
       ADD COLUMN IF NOT EXISTS snapshot_expires_at timestamptz,
       ADD COLUMN IF NOT EXISTS snapshot_began_at timestamptz,
       ADD COLUMN IF NOT EXISTS snapshot_completed_at timestamptz,
       ADD COLUMN IF NOT EXISTS served_seq bigint NOT NULL DEFAULT 0,
       ADD COLUMN IF NOT EXISTS resync_seq bigint NOT NULL DEFAULT 0,
       ADD COLUMN IF NOT EXISTS bucket_since jsonb NOT NULL DEFAULT '{}',
       ADD COLUMN IF NOT EXISTS pushed_lsn bigint,
       ADD COLUMN IF NOT EXISTS shared_lsn bigint`,
    `COMMENT ON COLUMN :sync.sync_clients.pushed_lsn IS 'once the log is as far as this it has all that the client has pushed'`,
    `COMMENT ON COLUMN :sync.sync_clients.shared_lsn IS 'the same, of rows in buckets that may leave their owner; null once a pull has read the log from there'`,
    `COMMENT ON COLUMN :sync.sync_clients.bucket_since IS 'bucket -> seq up to which its entries are none of the client''s: it came to it later'`,
    `COMMENT ON COLUMN :sync.sync_clients.served_seq IS 'where the log stood when rows were last read for the client'`,
    `COMMENT ON COLUMN :sync.sync_clients.resync_seq IS 'from a checkpoint below it the client needs another snapshot'`,
    `COMMENT ON COLUMN :sync.sync_clients.last_pull_seq IS 'checkpoint that the client itself last acknowledged'`,
    `COMMENT ON COLUMN :sync.sync_clients.snapshot_completed_at IS 'since when the client holds every row; -infinity: as far as an older schema goes'`,
    `COMMENT ON COLUMN :sync.sync_clients.snapshot_began_at IS 'first page of the snapshot for which history was last held: a hold has an age from there on'`,
    `COMMENT ON COLUMN :sync.sync_clients.snapshot_seq IS 'checkpoint of the snapshot in progress: compaction stays below it until snapshot_expires_at'`,

    `CREATE TABLE IF NOT EXISTS :sync.sync_wal_position (
       slot_name text PRIMARY KEY,
       confirmed_lsn bigint NOT NULL DEFAULT 0,
       updated_at timestamptz NOT NULL DEFAULT now()
     ) WITH (fillfactor = 20)`,
    `ALTER TABLE :sync.sync_wal_position
       ADD COLUMN IF NOT EXISTS last_seq bigint NOT NULL DEFAULT 1,
       ADD COLUMN IF NOT EXISTS floor_seq bigint NOT NULL DEFAULT 0,
       ADD COLUMN IF NOT EXISTS epoch_seq bigint NOT NULL DEFAULT 0,
       ADD COLUMN IF NOT EXISTS system_id text,
       ADD COLUMN IF NOT EXISTS timeline integer,
       ADD COLUMN IF NOT EXISTS applied_until timestamptz NOT NULL DEFAULT now()`,
    `DELETE FROM :sync.sync_wal_position a USING :sync.sync_wal_position b
      WHERE (a.updated_at, a.slot_name) < (b.updated_at, b.slot_name)`,
    `UPDATE :sync.sync_wal_position SET last_seq = greatest(last_seq, (SELECT coalesce(max(seq), 1) FROM :sync.sync_changelog))`,
    `CREATE UNIQUE INDEX IF NOT EXISTS sync_wal_position_single ON :sync.sync_wal_position ((true))`,
    `COMMENT ON TABLE :sync.sync_wal_position IS
       'the one row that every appender to sync_changelog locks: the log''s position, high-water mark and retention floor'`,
    `COMMENT ON COLUMN :sync.sync_wal_position.applied_until IS 'what was committed before this is in the changelog'`,

    `CREATE TABLE IF NOT EXISTS :sync.sync_bucket_edges (
       table_name text COLLATE "C" NOT NULL,
       record_id text COLLATE "C" NOT NULL,
       bucket_id text COLLATE "C" NOT NULL,
       updated_at timestamptz NOT NULL DEFAULT now(),
       live boolean NOT NULL DEFAULT true,
       PRIMARY KEY (record_id, table_name, bucket_id) INCLUDE (live)
     ) WITH (fillfactor = 80)`,
    // The reference's has no such columns, and another order in its key, which serves as well.
    `ALTER TABLE :sync.sync_bucket_edges
       ADD COLUMN IF NOT EXISTS live boolean NOT NULL DEFAULT true,
       ADD COLUMN IF NOT EXISTS row_updated_at timestamptz,
       ADD COLUMN IF NOT EXISTS parent_id text COLLATE "C"`,
    `CREATE INDEX IF NOT EXISTS sync_bucket_edges_bucket
       ON :sync.sync_bucket_edges (bucket_id, table_name, record_id) WHERE live`,
    `COMMENT ON COLUMN :sync.sync_bucket_edges.live IS
       'false: the row is soft-deleted; children still inherit the bucket, pull and snapshot ignore it'`,
    `COMMENT ON COLUMN :sync.sync_bucket_edges.row_updated_at IS 'the latest updated_at of the row that devices may hold'`,
    `COMMENT ON COLUMN :sync.sync_bucket_edges.parent_id IS 'the row''s parent as far as the log has come; null: none'`,

    `CREATE TABLE IF NOT EXISTS :sync.sync_rule_failures (
       id bigserial PRIMARY KEY,
       table_name text NOT NULL,
       record_id text NOT NULL,
       operation smallint NOT NULL,
       error_text text NOT NULL,
       payload jsonb,
       created_at timestamptz NOT NULL DEFAULT now()
     )`,
    `ALTER TABLE :sync.sync_rule_failures
       ADD COLUMN IF NOT EXISTS attempts integer NOT NULL DEFAULT 1,
       ADD COLUMN IF NOT EXISTS retry_at timestamptz NOT NULL DEFAULT now(),
       ADD COLUMN IF NOT EXISTS resolved_at timestamptz`,
    `CREATE UNIQUE INDEX IF NOT EXISTS sync_rule_failures_open ON :sync.sync_rule_failures ${OPEN_FAILURE}`,

    `CREATE TABLE IF NOT EXISTS :sync.sync_schema_manifest (
       schema_version bigint PRIMARY KEY,
       schema_hash text NOT NULL,
       created_at timestamptz NOT NULL DEFAULT now()
     )`,
    `ALTER TABLE :sync.sync_schema_manifest ADD COLUMN IF NOT EXISTS contract_columns jsonb`,
    `COMMENT ON COLUMN :sync.sync_schema_manifest.contract_columns IS
       'table -> the columns of this version: shows which columns came later'`,
    `CREATE UNIQUE INDEX IF NOT EXISTS sync_schema_manifest_hash ON :sync.sync_schema_manifest (schema_hash)`,

    `CREATE TABLE IF NOT EXISTS :sync.sync_waiting_rows (
       table_name text COLLATE "C" NOT NULL,
       record_id text COLLATE "C" NOT NULL,
       parent_table text COLLATE "C" NOT NULL,
       parent_id text COLLATE "C" NOT NULL,
       created_at timestamptz NOT NULL DEFAULT now(),
       PRIMARY KEY (table_name, record_id)
     )`,
    `CREATE INDEX IF NOT EXISTS sync_waiting_rows_parent ON :sync.sync_waiting_rows (parent_table, parent_id)`,
    `COMMENT ON TABLE :sync.sync_waiting_rows IS 'rows whose parent has no edges yet'`,

    `CREATE TABLE IF NOT EXISTS :sync.sync_parked_rows (
       user_id text COLLATE "C" NOT NULL,
       client_id text COLLATE "C" NOT NULL,
       table_name text COLLATE "C" NOT NULL,
       record_id text COLLATE "C" NOT NULL,
       parent_table text COLLATE "C" NOT NULL,
       parent_id text COLLATE "C" NOT NULL,
       change text COLLATE "C" NOT NULL,
       client_updated_at timestamptz NOT NULL,
       base text COLLATE "C",
       created_at timestamptz NOT NULL DEFAULT now(),
       PRIMARY KEY (user_id, table_name, record_id)
     )`,
    `CREATE INDEX IF NOT EXISTS sync_parked_rows_parent ON :sync.sync_parked_rows (user_id, parent_table, parent_id)`,
    `COMMENT ON TABLE :sync.sync_parked_rows IS
       'pushed creates that were accepted before their parent: written by the push of the same user that brings it'`,
    // Text, so that it can keep any data of a device: json has limits of its own (depth), jsonb changes them.
    `COMMENT ON COLUMN :sync.sync_parked_rows.change IS 'the record''s data as JSON, every number as it was sent'`,

    `CREATE TABLE IF NOT EXISTS :sync.sync_push_failures (
       user_key text COLLATE "C" NOT NULL,
       change_key text COLLATE "C" NOT NULL,
       user_id text NOT NULL,
       client_id text NOT NULL,
       table_name text NOT NULL,
       record_id text NOT NULL,
       operation text NOT NULL,
       attempts integer NOT NULL DEFAULT 1,
       error text NOT NULL,
       change text,
       refused_at timestamptz,
       created_at timestamptz NOT NULL DEFAULT now(),
       updated_at timestamptz NOT NULL DEFAULT now(),
       PRIMARY KEY (user_key, change_key)
     )`,
    `COMMENT ON TABLE :sync.sync_push_failures IS
       'pushed changes that failed alone: tried a bounded number of times, then refused for good'`,
    `CREATE INDEX IF NOT EXISTS sync_push_failures_refused ON :sync.sync_push_failures (refused_at)
       WHERE refused_at IS NOT NULL`,
    `COMMENT ON COLUMN :sync.sync_push_failures.change IS 'the data of a change that was refused for good, as JSON'`,

    `CREATE TABLE IF NOT EXISTS :sync.sync_subscription_changes (
       client uuid REFERENCES :sync.sync_clients ON DELETE CASCADE,
       bucket_id text COLLATE "C" NOT NULL,
       from_seq bigint,
       served_seq bigint,
       given boolean,
       after_lsn bigint,
       unlogged boolean NOT NULL DEFAULT false,
       created_at timestamptz NOT NULL DEFAULT now(),
       PRIMARY KEY (client, bucket_id)
     )`,
    `COMMENT ON TABLE :sync.sync_subscription_changes IS
       'buckets that come to a client or leave it: the WAL consumer writes the entries and sync_clients.bucket_subs together'`,
    `COMMENT ON COLUMN :sync.sync_subscription_changes.from_seq IS
       'the bucket leaves, and its entries after this one are not read any more; null: it comes'`,
    `COMMENT ON COLUMN :sync.sync_subscription_changes.served_seq IS
       'where the log stood when the client was last given rows of a bucket that leaves'`,
    `COMMENT ON COLUMN :sync.sync_subscription_changes.unlogged IS
       'the client has pushed rows that may be in a bucket that leaves, and which the log had not when it was noted'`,
    `COMMENT ON COLUMN :sync.sync_subscription_changes.given IS
       'the client may hold rows by a bucket that leaves: it has read the log since the bucket came'`,
    `COMMENT ON COLUMN :sync.sync_subscription_changes.after_lsn IS
       'a bucket comes once the log is as far as this: what came and went in it before is not the client''s'`,

    `CREATE TABLE IF NOT EXISTS :sync.sync_consumer_tasks (
       id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
       kind text NOT NULL CHECK (kind IN ('reresolve', 'withdraw', 'redeliver')),
       table_name text COLLATE "C" NOT NULL,
       record_ids text[],
       force_newer_timestamp boolean NOT NULL DEFAULT false,
       after_lsn bigint,
       due_at timestamptz,
       after_id text,
       user_id text COLLATE "C",
       client uuid REFERENCES :sync.sync_clients ON DELETE CASCADE,
       created_at timestamptz NOT NULL DEFAULT now()
     )`,
    `COMMENT ON TABLE :sync.sync_consumer_tasks IS
       'tasks that instances leave to the WAL consumer: resolve buckets again, take records off a user''s devices, bring records to a device again'`,
    `COMMENT ON COLUMN :sync.sync_consumer_tasks.record_ids IS 'null: the whole table, done up to after_id'`,
    `COMMENT ON COLUMN :sync.sync_consumer_tasks.force_newer_timestamp IS 'with redeliver: later than any version that the device may hold'`,
    `COMMENT ON COLUMN :sync.sync_consumer_tasks.after_lsn IS 'done once the log is as far as this: it may say more of the records'`,
    `COMMENT ON COLUMN :sync.sync_consumer_tasks.due_at IS 'not done before: the rows could not be read; null: at once'`,

    `CREATE TABLE IF NOT EXISTS :sync.sync_table_rules (
       table_name text PRIMARY KEY,
       rules_hash text NOT NULL,
       table_shape jsonb,
       updated_at timestamptz NOT NULL DEFAULT now()
     )`,
    `COMMENT ON COLUMN :sync.sync_table_rules.table_shape IS
       'the table, its columns, partitions and place in the publication, up to which nothing was missed'`,
    `COMMENT ON TABLE :sync.sync_table_rules IS 'the bucket rules by which each table''s edges were last resolved'`,

    `CREATE TABLE IF NOT EXISTS :sync.sync_enum_labels (
       label_oid oid,
       type_name text COLLATE "C",
       label text COLLATE "C",
       PRIMARY KEY (label_oid, type_name, label)
     )`,
    `COMMENT ON TABLE :sync.sync_enum_labels IS
       'each text that a label of a synced enum has had: devices that were away still write the former ones'`,

    ...LIVE_TABLES,
  ],
  down: [
    `DROP TABLE IF EXISTS :sync.sync_disconnects, :sync.sync_enum_labels, :sync.sync_table_rules, :sync.sync_consumer_tasks, :sync.sync_subscription_changes, :sync.sync_push_failures, :sync.sync_parked_rows, :sync.sync_waiting_rows, :sync.sync_schema_manifest, :sync.sync_rule_failures, :sync.sync_bucket_edges, :sync.sync_wal_position, :sync.sync_clients, :sync.sync_changelog`,
  ],
};
