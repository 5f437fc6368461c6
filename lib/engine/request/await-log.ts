import { setTimeout as sleep } from 'node:timers/promises';
import type { DataSource } from 'typeorm';
import type { Lsn } from '../../common/lsn.js';
import { singleStatement } from '../../database/session.js';
import { announceMark } from '../../store/changelog/wal-progress.js';

/** Pauses between two reads double from the first to the last: the consumer may run in another process. */
const FIRST_PAUSE_MS = 2;
const LAST_PAUSE_MS = 100;
/** The consumer may have been between two sessions when it was notified. */
const ANNOUNCE_MS = 1_000;

/**
 * Waits for the WAL consumer, wherever it runs, without holding a connection.
 * @param lsn the position that the log has to reach; the consumer is notified of it
 * @param isThere whether the awaited state is reached
 * @param timeout milliseconds
 * @returns whether it was reached in time
 */
export async function awaitLog(
  dataSource: DataSource,
  lsn: Lsn,
  isThere: () => Promise<boolean>,
  timeout: number,
): Promise<boolean> {
  const deadline = performance.now() + timeout;
  let announced = -Infinity;
  for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(2 * pause, LAST_PAUSE_MS)) {
    if (await isThere()) return true;
    const now = performance.now();
    if (now >= deadline) return false;
    if (now - announced >= ANNOUNCE_MS) {
      await singleStatement(dataSource, (manager) => announceMark(manager, lsn));
      announced = now;
    }
    await sleep(Math.min(pause, deadline - now));
  }
}
