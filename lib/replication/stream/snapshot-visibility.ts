/**
 * Which of some transactions a snapshot can't see yet.
 * @param snapshot `pg_current_snapshot()` as text: `xmin:xmax:xip,xip,…` with 64-bit ids
 * @param xids low 32 bits of each id, as the replication stream gives them
 */
export function invisibleTransactions(snapshot: string, xids: readonly number[]): readonly number[] {
  const [xmin = '0', xmax = '0', xip = ''] = snapshot.split(':');
  const lowest = BigInt(xmin);
  const next = BigInt(xmax);
  const running = new Set(xip === '' ? [] : xip.split(',').map(BigInt));
  return xids.filter((xid) => {
    // The stream's ids are within 2³¹ of the snapshot's, before or after.
    const full = next + BigInt((xid - Number(next & 0xffff_ffffn)) | 0);
    return full >= next || (full >= lowest && running.has(full));
  });
}
