/** What differs between two instances of this app. */
export interface AppSettings {
  readonly databaseUrl: string;
  /** Replication slots are known to a whole PostgreSQL server: each app on it needs a name of its own. */
  readonly slotName: string;
  readonly publicationName: string;
  /** Without it, users are whoever the `X-User-ID` header says: for development only. */
  readonly jwtSecret?: string | undefined;
}

/** Reads `SYNC_SLOT`, `SYNC_PUBLICATION` and `JWT_SECRET`. */
export function settingsFrom(environment: NodeJS.ProcessEnv, databaseUrl: string): AppSettings {
  return {
    databaseUrl,
    slotName: environment['SYNC_SLOT'] || 'synchro_slot',
    publicationName: environment['SYNC_PUBLICATION'] || 'synchro_pub',
    jwtSecret: environment['JWT_SECRET'] || undefined,
  };
}
