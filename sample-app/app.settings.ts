/** What differs between two instances of this app. */
export interface AppSettings {
  readonly databaseUrl: string;
  /** Replication slots are known to a whole PostgreSQL server: each app on it needs a name of its own. */
  readonly slotName: string;
  readonly publicationName: string;
  /** Without it, users are whoever the `X-User-ID` header says: for development only. */
  readonly jwtSecret?: string | undefined;
  /** The page and its endpoints, where anybody is Alice or Bob: for development only. Default: neither is there. */
  readonly demo?: DemoSettings | undefined;
}

export interface DemoSettings {
  /** Whether Alice and Bob get some tasks to look at when they have none. Default: false. */
  readonly seed?: boolean;
}

/** Reads `SYNC_SLOT`, `SYNC_PUBLICATION`, `JWT_SECRET` and `NODE_ENV`; a `DATABASE_URL` is left without rows of ours. */
export function settingsFrom(environment: NodeJS.ProcessEnv, databaseUrl: string): AppSettings {
  return {
    databaseUrl,
    slotName: environment['SYNC_SLOT'] || 'synchro_slot',
    publicationName: environment['SYNC_PUBLICATION'] || 'synchro_pub',
    jwtSecret: environment['JWT_SECRET'] || undefined,
    demo: environment['NODE_ENV'] === 'production' ? undefined : { seed: !environment['DATABASE_URL'] },
  };
}
