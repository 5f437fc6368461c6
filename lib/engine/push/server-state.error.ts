/**
 * A write failed for the state of the server, whichever records were in it: roll back, and let the device come back
 * later. The cause says what the state is, see `isTransient`.
 */
export class ServerStateError extends Error {
  constructor(cause: unknown, table: string) {
    super(`the table ${table} can't be written now, whatever the record`, { cause });
    this.name = 'ServerStateError';
  }
}
