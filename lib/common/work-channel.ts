/** The NOTIFY channel on which an instance tells the WAL consumer that work waits for it. */
export const WORK_CHANNEL = 'nestjs_synchro_work';
