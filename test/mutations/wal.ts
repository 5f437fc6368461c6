import type { Mutation } from './mutation.js';

const ACKNOWLEDGED = {
  file: 'test/wal-acknowledgement.test.ts',
  name: 'by the consumer is what is stored, never more',
};

/** The WAL consumer: what it reads, stores and acknowledges. */
export const WAL: readonly Mutation[] = [
  {
    name: 'acknowledges-before-the-commit',
    file: 'lib/replication/wal-reader.ts',
    find: 'await this.options.applier.apply(tx, prepared, edges);',
    replace: `if (batch.endLsn !== null) this.options.stream.acknowledge(batch.endLsn);
      await this.options.applier.apply(tx, prepared, edges);`,
    tests: [{ ...ACKNOWLEDGED, name: 'by the consumer does not move while a batch is written' }],
    why: 'Design, write → changelog: a crash before the commit would lose what the server no longer sends.',
  },
  {
    name: 'writer-waits-in-a-silent-network',
    file: 'lib/replication/replication-stream.ts',
    find: 'this.options.onSilence(error);',
    replace: '',
    tests: [{ file: 'test/silent-network.test.ts', name: 'goes on over new ones' }],
    why: 'Replication notes, liveness: what the writer waits for never comes, and nobody consumes any more.',
  },
  {
    name: 'acknowledges-when-the-commit-is-sent',
    file: 'lib/replication/wal-reader.ts',
    find: 'await durable;',
    replace: 'durable.catch(() => undefined);',
    tests: [{ ...ACKNOWLEDGED, name: 'by the consumer does not move while a batch is written' }],
    why: 'Design, write → changelog: what was sent may fail, and the server would not send the batch again.',
  },
  {
    name: 'acknowledges-beyond-the-end-of-the-commit',
    file: 'lib/replication/wal-reader.ts',
    find: 'this.options.stream.acknowledge(endLsn);',
    replace: 'this.options.stream.acknowledge(endLsn + 4096n);',
    tests: [ACKNOWLEDGED],
    why: 'W-WAL-1: only the end of the COMMIT may be acknowledged; what begins behind it would be skipped.',
  },
  {
    name: 'acknowledges-one-byte-too-much',
    file: 'lib/replication/replication-stream.ts',
    find: 'formatLsn(this.acknowledged - 1n)',
    replace: 'formatLsn(this.acknowledged)',
    tests: [
      {
        file: 'test/wal-acknowledgement.test.ts',
        name: 'does not swallow the transaction whose commit record begins where the last one ended',
      },
    ],
    why: 'Replication notes, finding 1: the client library adds one, and the next transaction is swallowed.',
  },
  {
    name: 'acknowledges-an-idle-position-that-is-not-stored',
    file: 'lib/replication/wal-reader.ts',
    find: 'await this.advance(tx.commit(lsn, tx.begunAt));',
    replace: 'await tx.rollback();',
    tests: [ACKNOWLEDGED, { ...ACKNOWLEDGED, name: 'moves on while the synced tables are quiet' }],
    why: 'W-WAL-17: a slot ahead of the stored position reads as a gap, and sends every device to a snapshot.',
  },
  {
    name: 'position-is-not-stored-with-the-batch',
    file: 'lib/store/changelog-transaction.ts',
    find: 'UPDATE sync_wal_position SET confirmed_lsn = $2,',
    replace: 'UPDATE sync_wal_position SET confirmed_lsn = least(confirmed_lsn, $2),',
    tests: [
      { file: 'test/wal-recovery.test.ts', name: 'goes on with what was committed while nobody consumed' },
    ],
    why: 'W-WAL-2: edges, entries and position move together, or a replay doubles them.',
  },
  {
    name: 'position-is-not-compared',
    file: 'lib/store/changelog-transaction.ts',
    find: 'locked.position.confirmedLsn !== expected.confirmedLsn ||',
    replace: '',
    tests: [
      { file: 'test/changelog-transaction.test.ts', name: 'is refused to who holds an older position' },
    ],
    why: 'Design, rule 4: a consumer that was thought dead must not write behind the back of its successor.',
  },
  {
    name: 'appenders-do-not-take-turns',
    file: 'lib/store/wal-position.ts',
    find: '`${POSITION} FOR UPDATE`',
    replace: 'POSITION',
    tests: [{ file: 'test/subscription-changes.test.ts', name: 'an appender waits for its turn' }],
    why: 'Interleavings 3: seq 105 would become visible before 104, and a pull would pass 104 by.',
  },
  {
    name: 'replayed-transaction-is-applied-twice',
    file: 'lib/replication/transaction-batcher.ts',
    find: 'skipped: message.commitLsn < this.position(),',
    replace: 'skipped: false,',
    tests: [
      {
        file: 'test/transaction-batcher.test.ts',
        name: 'leaves out what the stored position already covers',
      },
    ],
    why: 'Design, rule 4: what is at or below the stored position has been applied.',
  },
  {
    name: 'transaction-behind-the-position-is-skipped',
    file: 'lib/replication/transaction-batcher.ts',
    find: 'message.commitLsn < this.position(),',
    replace: 'message.commitLsn <= this.position(),',
    tests: [
      {
        file: 'test/transaction-batcher.test.ts',
        name: 'leaves out what the stored position already covers',
      },
    ],
    why: 'W-WAL-1: a commit record may begin exactly where the last one ended.',
  },
  {
    name: 'does-not-wait-for-visibility',
    file: 'lib/replication/wal-reader.ts',
    find: 'if (invisibleTransactions(tx.snapshot, xids).length === 0)',
    replace: 'if (invisibleTransactions(tx.snapshot, xids).length >= 0)',
    tests: [{ file: 'test/wal-visibility.test.ts', name: 'is not in the log' }],
    why: 'Interleavings 1: a pull would read the old row, and its checkpoint pass the change.',
  },
  {
    name: 'waits-for-the-first-transaction-of-a-batch-only',
    file: 'lib/replication/wal-reader.ts',
    find: 'invisibleTransactions(tx.snapshot, xids).length',
    replace: 'invisibleTransactions(tx.snapshot, xids.slice(0, 1)).length',
    tests: [{ file: 'test/wal-visibility.test.ts', name: 'holds back the whole batch' }],
    why: 'Interleavings 1: every transaction of the batch has to be visible.',
  },
  {
    name: 'running-transactions-count-as-visible',
    file: 'lib/replication/snapshot-visibility.ts',
    find: 'return full >= next || (full >= lowest && running.has(full));',
    replace: 'return full >= next || (full > lowest && running.has(full));',
    tests: [{ file: 'test/snapshot-visibility.test.ts', name: 'is found on both sides of a wraparound' }],
    why: 'Interleavings 1: the oldest running transaction is not visible either.',
  },
  {
    name: 'unknown-message-is-passed-over',
    file: 'lib/replication/pgoutput.ts',
    find: 'throw new SynchroError(\'decode_failed\', `the replication stream sent an unknown message "${tag}"`);',
    replace: 'return null;',
    tests: [{ file: 'test/pgoutput.test.ts', name: 'which it must not skip' }],
    why: 'W-WAL-6: what is not understood may be a change.',
  },
  {
    name: 'truncate-is-ignored',
    file: 'lib/replication/pgoutput.ts',
    find: 'return this.truncate(reader);',
    replace: 'return null;',
    tests: [{ file: 'test/wal-changes.test.ts', name: 'tells every bucket of a truncated table' }],
    why: 'W-WAL-10: the rows would stay on every device.',
  },
  {
    name: 'unchanged-toast-is-null',
    file: 'lib/replication/pgoutput.ts',
    find: 'if (kind === 0x6e) {',
    replace: 'if (kind === 0x6e || kind === 0x75) {',
    tests: [
      {
        file: 'test/wal-changes.test.ts',
        name: 'is not misled by a bucket value that is stored out of line',
      },
    ],
    why: 'W-WAL-11: the row would fall out of its bucket.',
  },
  {
    name: 'tables-go-by-their-bare-name',
    file: 'lib/replication/tracked-tables.ts',
    find: 'this.find(schema, name)?.columns ?? null;',
    replace: "(this.find(schema, name) ?? this.find('public', name))?.columns ?? null;",
    also: [
      {
        file: 'lib/replication/row-events.ts',
        find: 'source: tracked.find(relation.schema, relation.name),',
        replace:
          "source: tracked.find(relation.schema, relation.name) ?? tracked.find('public', relation.name),",
      },
    ],
    tests: [{ file: 'test/wal-changes.test.ts', name: 'does not mix up a table with one of the same name' }],
    why: 'W-WAL-14: a table of the same name in another schema is another table.',
  },
  {
    name: 'pooled-sessions-keep-their-time-zone',
    file: 'lib/store/session.ts',
    find: "TimeZone: 'UTC',",
    replace: "TimeZone: 'Asia/Tokyo',",
    tests: [{ file: 'test/timestamp-without-zone.test.ts', name: 'on its way' }],
    why: 'Interleavings 2, W-DATA-5: values are text, and text follows the settings of the session.',
  },
  {
    name: 'other-database-system-goes-unnoticed',
    file: 'lib/replication/slot.ts',
    find: "if (position.systemId !== system.systemId) return 'the database system is another one';",
    replace: '',
    tests: [{ file: 'test/slot-discontinuity.test.ts', name: 'slot and stored position' }],
    why: 'Interleavings 4: seqs of another history are not those that devices hold.',
  },
  {
    name: 'promotion-goes-unnoticed',
    file: 'lib/replication/slot.ts',
    find: "if (position.timeline !== system.timeline) return 'the server was promoted (its timeline changed)';",
    replace: '',
    tests: [{ file: 'test/slot-discontinuity.test.ts', name: 'slot and stored position' }],
    why: 'Interleavings 4: after a failover to a lagging standby, seqs are issued again.',
  },
  {
    name: 'gap-before-the-slot-goes-unnoticed',
    file: 'lib/replication/slot.ts',
    find: 'if (!isAhead(slot, position)) return null;',
    replace: 'if (!isAhead(slot, position) || slot.confirmedFlush >= 0n) return null;',
    tests: [{ file: 'test/slot-discontinuity.test.ts', name: 'slot and stored position' }],
    why: 'W-WAL-17: what was committed in the gap is in no changelog.',
  },
  {
    name: 'new-slot-starts-no-epoch',
    file: 'lib/store/wal-position.ts',
    find: 'const epochSeq = previous === null ? 0n : lastSeq;',
    replace: 'const epochSeq = previous?.epochSeq ?? 0n;',
    tests: [{ file: 'test/wal-epochs.test.ts', name: 'begins under another slot name' }],
    why: 'Design, rule 8: nobody knows what happened before the new slot, so every device takes a snapshot.',
  },
  {
    name: 'epoch-repeats-seqs',
    file: 'lib/store/wal-position.ts',
    find: 'previous.lastSeq + EPOCH_STEP',
    replace: 'previous.lastSeq + 1n',
    tests: [
      {
        file: 'test/wal-epochs.test.ts',
        name: 'makes a checkpoint that was issued after the point of recovery invalid',
      },
    ],
    why: 'Interleavings 4: a checkpoint of the lost history must not pass for one of the new one.',
  },
  {
    name: 'first-edges-are-not-made',
    file: 'lib/replication/slot-setup.ts',
    find: 'await rules.resettleAll(tx, applier, shapes);',
    replace: '',
    tests: [{ file: 'test/wal-recovery.test.ts', name: 'starts with what was there before it' }],
    why: 'W-WAL-3, W-SNAP-7: rows from before the slot would be in no snapshot.',
  },
];
