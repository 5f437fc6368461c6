import type { RecordKey } from '../records/record.js';
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

/** Stands for writes of which nothing is known but that there may be some. */
export const NOTHING: Announcement = {
  ...EVERYTHING,
  reload: false,
  schema: false,
  refused: false,
};

export function isAnnouncement(message: unknown): message is Announcement {
  return typeof message === 'object' && message !== null && 'type' in message && message.type === 'stored';
}
