/**
 * The NOTIFY channel on which an instance tells the WAL consumer that work waits for it. A payload of digits is a
 * position of the WAL that somebody waits for, in bytes; any other says no more than that there is work.
 */
export const WORK_CHANNEL = 'nestjs_synchro_work';
