import { isUnstorable } from '../../database/database-error.js';
import type { Registration } from '../../store/clients/sync-clients.js';

type Names = Pick<Registration, 'clientName' | 'platform' | 'appVersion'>;

/**
 * Saves what a device is called. Names are for people: one that the database's encoding has no place for must not keep a
 * device out, and is saved in ASCII.
 */
export async function storable<Result>(
  names: Names,
  save: (names: Names) => Promise<Result>,
): Promise<Result> {
  const { clientName, platform, appVersion } = names;
  try {
    return await save({ clientName, platform, appVersion });
  } catch (error) {
    if (!isUnstorable(error)) throw error;
    return save({
      clientName: clientName === null ? null : ascii(clientName),
      platform: ascii(platform),
      appVersion: ascii(appVersion),
    });
  }
}

function ascii(text: string): string {
  return text.replaceAll(/[^ -~]/gu, '?');
}
