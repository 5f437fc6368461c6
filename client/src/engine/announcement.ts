import type { RecordKey } from '../records/record.js';
import type { Reads } from '../store/store.js';
import type { KeyedVerdict } from './waiters.js';

/** Announces the writes of another tab. */
export interface Announcement {
  readonly type: 'stored';
  readonly keys: readonly RecordKey[];
  readonly reload: boolean;
  readonly schema: boolean;
  readonly refused: boolean;
  readonly verdicts: readonly KeyedVerdict[];
}

/** Stands for all writes that other tabs may have made while this one was frozen. */
export const EVERYTHING: Announcement = {
  type: 'stored',
  keys: [],
  reload: true,
  schema: true,
  refused: true,
  verdicts: [],
};

/** Stands for writes that may have been made, and that are not known. */
export const NOTHING: Announcement = {
  ...EVERYTHING,
  reload: false,
  schema: false,
  refused: false,
};

/** The records that a tab reads after an announcement, for the rows that it has in memory. */
export function readsOf(announcement: Announcement, rows: readonly RecordKey[]): Reads {
  const outcomes = announcement === EVERYTHING && ({ entries: 'all', refused: true } as const);
  return { rows, schema: announcement.schema, ...outcomes };
}

export function isAnnouncement(message: unknown): message is Announcement {
  return typeof message === 'object' && message !== null && 'type' in message && message.type === 'stored';
}
