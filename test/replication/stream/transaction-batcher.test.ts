import { describe, expect, it } from 'vitest';
import type { Relation, WalMessage } from '../../../lib/replication/stream/pgoutput.js';
import { TransactionBatcher, type Batch } from '../../../lib/replication/stream/transaction-batcher.js';

const RELATION: Relation = {
  oid: 1,
  schema: 'public',
  name: 'tasks',
  columns: ['id'],
  positions: new Map([['id', 0]]),
  decoded: [true],
  padded: [false],
  identity: new Set(['id']),
};

const insert: WalMessage = { tag: 'insert', relation: RELATION, next: ['1'] };

/** The messages of a transaction with some rows, whose commit record is ten bytes long. */
function transaction(xid: number, commitLsn: bigint, rows: number): readonly WalMessage[] {
  return [
    { tag: 'begin', commitLsn, commitTime: BigInt(xid), xid },
    ...Array.from({ length: rows }, () => insert),
    { tag: 'commit', endLsn: commitLsn + 10n },
  ];
}

/** What comes out of a batcher, as [rows, xids, end], after some messages; `null` stands for a flush when idle. */
function batches(
  messages: readonly (WalMessage | null)[],
  { position = 0n, soft = 4, hard = 6 } = {},
): readonly [number, readonly number[], bigint | null][] {
  const batcher = new TransactionBatcher(() => position, soft, hard);
  return messages
    .map((message) => (message === null ? batcher.flush() : batcher.add(message)))
    .filter((batch): batch is Batch => batch !== null)
    .map(({ changes, xids, endLsn }) => [changes.length, xids, endLsn]);
}

describe('the transaction batcher', () => {
  it('takes no transaction that begins within another one', () => {
    const [begin, row] = transaction(1, 100n, 1);
    const [other] = transaction(2, 200n, 1);
    expect(() => batches([begin ?? null, row ?? null, other ?? null])).toThrow(/within another one/);
  });

  it('hands a transaction out when nothing more is waiting', () => {
    expect(batches([...transaction(1, 100n, 2), null])).toEqual([[2, [1], 110n]]);
  });

  it('hands out nothing of a transaction that is open', () => {
    expect(batches([...transaction(1, 100n, 2).slice(0, -1), null])).toEqual([]);
  });

  it('puts transactions together until the soft limit is reached at a commit', () => {
    const messages = [
      ...transaction(1, 100n, 3),
      ...transaction(2, 200n, 3),
      ...transaction(3, 300n, 1),
      null,
    ];
    expect(batches(messages, { hard: 100 })).toEqual([
      [6, [1, 2], 210n],
      [1, [3], 310n],
    ]);
  });

  it('cuts a transaction at the hard limit, after the whole ones before it', () => {
    const messages = [...transaction(1, 100n, 3), ...transaction(2, 200n, 14), null];
    expect(batches(messages)).toEqual([
      [3, [1], 110n],
      [6, [2], null],
      [6, [2], null],
      [2, [2], 210n],
    ]);
  });

  it('finds the end of a transaction whose rows have all been handed out', () => {
    expect(batches([...transaction(1, 100n, 6), null])).toEqual([
      [6, [1], null],
      [0, [1], 110n],
    ]);
  });

  it('ends a transaction that it has cut in a batch of its own, as later ones may not be visible yet', () => {
    const messages = [...transaction(1, 100n, 7), ...transaction(2, 200n, 1), null];
    expect(batches(messages)).toEqual([
      [6, [1], null],
      [1, [1], 110n],
      [1, [2], 210n],
    ]);
  });

  it('leaves out what the stored position already covers', () => {
    const messages = [...transaction(1, 100n, 2), ...transaction(2, 110n, 1), null];
    expect(batches(messages, { position: 110n })).toEqual([[1, [2], 120n]]);
  });

  it('keeps the commit time of each change', () => {
    const batcher = new TransactionBatcher(() => 0n, 100, 100);
    for (const message of [...transaction(7, 100n, 1), ...transaction(9, 200n, 1)]) batcher.add(message);
    expect(batcher.flush()?.changes.map(({ commitTime }) => commitTime)).toEqual([7n, 9n]);
  });

  it('knows whether a transaction is open', () => {
    const batcher = new TransactionBatcher(() => 0n, 4, 6);
    const [begin, , commit] = transaction(1, 100n, 1);
    expect(batcher.inTransaction).toBe(false);
    if (begin) batcher.add(begin);
    expect(batcher.inTransaction).toBe(true);
    if (commit) batcher.add(commit);
    expect(batcher.inTransaction).toBe(false);
  });
});
