/** One numbered step of the sync tables' schema: plain SQL, so that it can be printed as well as run. */
export interface SynchroMigration {
  /** 1, 2, 3, … without gaps. */
  readonly number: number;
  readonly name: string;
  /** Statements in order; running them twice does no harm. */
  readonly up: readonly string[];
  readonly down: readonly string[];
}
