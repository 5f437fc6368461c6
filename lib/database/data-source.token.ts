/** The TypeORM `DataSource` that a `SynchroModule` works on. */
export const SYNC_DATA_SOURCE = Symbol('SYNC_DATA_SOURCE');
