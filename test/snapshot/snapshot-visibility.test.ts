import { describe, expect, it } from 'vitest';
import { invisibleTransactions } from '../../lib/replication/stream/snapshot-visibility.js';

describe('which transactions a snapshot can not see', () => {
  it('is those that run, and those that come after it [interleaving 1]', () => {
    expect(invisibleTransactions('100:110:103,107', [99, 100, 103, 106, 107, 109, 110, 111])).toEqual([
      103, 107, 110, 111,
    ]);
  });

  it('is none of those before a snapshot in which nothing runs [interleaving 1]', () => {
    expect(invisibleTransactions('110:110:', [1, 100, 109])).toEqual([]);
  });

  it('is found by the low 32 bits, in every epoch of transaction ids [interleaving 1]', () => {
    const epoch = 3n * 2n ** 32n;
    const at = (xid: bigint): string => String(epoch + xid);
    const snapshot = `${at(100n)}:${at(110n)}:${at(103n)}`;
    expect(invisibleTransactions(snapshot, [99, 100, 103, 109, 110])).toEqual([103, 110]);
  });

  it('is found on both sides of a wraparound [interleaving 1]', () => {
    const next = 2n ** 32n + 5n;
    const running = 2n ** 32n - 2n;
    const snapshot = `${running}:${next}:${running}`;
    // From before the wraparound, running and done; from after it, done and to come.
    expect(invisibleTransactions(snapshot, [0xfffffffe, 0xfffffffd, 4, 5])).toEqual([0xfffffffe, 5]);
    const before = `${2n ** 32n - 5n}:${2n ** 32n - 5n}:`;
    expect(invisibleTransactions(before, [0xfffffff0, 3])).toEqual([3]);
  });
});
