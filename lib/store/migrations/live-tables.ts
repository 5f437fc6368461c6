/** The table by which instances share disconnects of the live channel. */
export const LIVE_TABLES: readonly string[] = [
  `CREATE TABLE IF NOT EXISTS :sync.sync_disconnects (
     id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
     user_id text COLLATE "C" NOT NULL,
     client_id text COLLATE "C",
     created_at timestamptz NOT NULL DEFAULT now()
   )`,
  `COMMENT ON TABLE :sync.sync_disconnects IS
     'whose live connections every instance ends: of one device, or of all of the user''s where client_id is null'`,
];
