import type { SynchroProblem } from '../../common/errors.js';
import type { ReplicationSettings } from '../../settings/synchro.settings.js';

/** PostgreSQL cuts a longer publication name off, and refuses a longer slot name (NAMEDATALEN). */
const MAX_NAME_BYTES = 63;

/** The server's own rule (ReplicationSlotValidateName): a slot's name is a folder's, too. */
const SLOT_NAME = /^[a-z0-9_]{1,63}$/;

/** Names that no slot or publication can have. Without this check the app would start, and its consumer would not. */
export function replicationNameProblems({
  slotName,
  publicationName,
}: Pick<ReplicationSettings, 'slotName' | 'publicationName'>): readonly SynchroProblem[] {
  const problems: SynchroProblem[] = [];
  const problem = (option: string, message: string, fix: string): void => {
    problems.push({ code: 'configuration_invalid', entity: 'SynchroModule', option, message, fix });
  };
  if (!SLOT_NAME.test(slotName)) {
    problem(
      'replication.slotName',
      `a replication slot can't be called ${JSON.stringify(slotName)}`,
      'take 1 to 63 lower-case letters (a to z), digits and underscores, e.g. my_app_slot',
    );
  }
  if (!isPublicationName(publicationName)) {
    problem(
      'replication.publicationName',
      `a publication can't be called ${JSON.stringify(publicationName)}`,
      `take a name of 1 to ${MAX_NAME_BYTES} bytes, e.g. my_app_pub`,
    );
  }
  return problems;
}

function isPublicationName(name: string): boolean {
  const bytes = Buffer.byteLength(name);
  return bytes > 0 && bytes <= MAX_NAME_BYTES;
}
