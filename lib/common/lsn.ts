/** A position in PostgreSQL's write-ahead log: an unsigned 64-bit byte offset. */
export type Lsn = bigint;

/** Reads PostgreSQL's `XXXXXXXX/XXXXXXXX` text form. */
export function parseLsn(text: string): Lsn {
  const lsn = lsnOf(text);
  if (lsn === null) throw new RangeError(`not an LSN: ${text}`);
  return lsn;
}

/** The same of a text that may be another; null: it is none. */
export function lsnOf(text: string): Lsn | null {
  const match = /^([0-9A-Fa-f]{1,8})\/([0-9A-Fa-f]{1,8})$/.exec(text);
  return match && (BigInt(`0x${match[1]}`) << 32n) | BigInt(`0x${match[2]}`);
}

/** Writes PostgreSQL's text form. */
export function formatLsn(lsn: Lsn): string {
  return `${(lsn >> 32n).toString(16).toUpperCase()}/${(lsn & 0xffffffffn).toString(16).toUpperCase()}`;
}
