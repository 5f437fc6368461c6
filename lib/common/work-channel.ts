/**
 * The NOTIFY channel on which instances announce work to the WAL consumer. A payload of digits is a position of the
 * WAL that a caller waits for, in bytes; any other payload only announces work.
 */
export const WORK_CHANNEL = 'nestjs_synchro_work';
