/** A client's change to a row that the server has, too. */
export interface Conflict {
  /** Wire name of the table. */
  readonly table: string;
  readonly recordId: string;
  readonly clientId: string;
  readonly userId: string;
  /** The client's version as JSON text: numbers are exact only there. */
  readonly clientData: string;
  /** The server's version as JSON text, with the columns that clients see. */
  readonly serverData: string;
  /** When the client made the change (its clock, but never later than the server's plus the tolerance). RFC 3339. */
  readonly clientTime: string;
  /** The server row's `updated_at`, RFC 3339, microseconds. */
  readonly serverTime: string;
  /** The `updated_at` of the version that the client changed; null when it doesn't say. */
  readonly baseVersion: string | null;
}

export interface Resolution {
  readonly winner: 'client' | 'server';
  /** For people; a rejected change carries it as its message. */
  readonly reason: string;
}
