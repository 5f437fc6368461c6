import type { Mutation } from './mutation.js';

const ACKNOWLEDGED = {
  file: 'test/replication/stream/wal-acknowledgement.test.ts',
  name: 'by the consumer is what is stored, never more',
};

const FRESH = 'test/replication/membership/wal-fresh-rows.test.ts';

/** The WAL consumer: what it reads, stores and acknowledges. */
export const WAL: readonly Mutation[] = [
  {
    name: 'acknowledges-before-the-commit',
    file: 'lib/replication/batch-writer.ts',
    find: 'await this.options.applier.apply(tx, prepared, edges);',
    replace: `if (batch.endLsn !== null) this.options.acknowledge(batch.endLsn);
      await this.options.applier.apply(tx, prepared, edges);`,
    tests: [{ ...ACKNOWLEDGED, name: 'by the consumer does not move while a batch is written' }],
    why: 'Design, write → changelog: a crash before the commit would lose what the server no longer sends.',
  },
  {
    name: 'writer-waits-in-a-silent-network',
    file: 'lib/replication/stream/replication-stream.ts',
    find: 'this.options.onSilence(error);',
    replace: '',
    tests: [{ file: 'test/replication/stream/silent-network.test.ts', name: 'goes on over new ones' }],
    why: 'Replication notes, liveness: what the writer waits for never comes, and nobody consumes any more.',
  },
  {
    name: 'nobody-listens-during-the-handshake',
    file: 'lib/replication/stream/replication-stream.ts',
    find: "setImmediate(() => this.client()?.on('error', (error: Error) => this.fail(error)));",
    replace: '',
    tests: [
      { file: 'test/http/handshake.test.ts', name: 'ends the replication stream, and not the process' },
    ],
    why: 'A connection that is terminated as soon as it is there would end the host’s process.',
  },
  {
    name: 'acknowledges-when-the-commit-is-sent',
    file: 'lib/replication/durable-position.ts',
    find: 'await durable;',
    replace: 'durable.catch(() => undefined);',
    tests: [{ ...ACKNOWLEDGED, name: 'by the consumer does not move while a batch is written' }],
    why: 'Design, write → changelog: what was sent may fail, and the server would not send the batch again.',
  },
  {
    name: 'acknowledges-beyond-the-end-of-the-commit',
    file: 'lib/replication/batch-writer.ts',
    find: 'this.options.acknowledge(endLsn);',
    replace: 'this.options.acknowledge(endLsn + 4096n);',
    tests: [ACKNOWLEDGED],
    why: 'W-WAL-1: only the end of the COMMIT may be acknowledged; what begins behind it would be skipped.',
  },
  {
    name: 'acknowledges-one-byte-too-much',
    file: 'lib/replication/stream/replication-stream.ts',
    find: 'formatLsn(this.acknowledged - 1n)',
    replace: 'formatLsn(this.acknowledged)',
    tests: [
      {
        file: 'test/replication/stream/wal-acknowledgement.test.ts',
        name: 'does not swallow the transaction whose commit record begins where the last one ended',
      },
    ],
    why: 'Replication notes, finding 1: the client library adds one, and the next transaction is swallowed.',
  },
  {
    name: 'acknowledges-an-idle-position-that-is-not-stored',
    file: 'lib/replication/batch-writer.ts',
    find: 'await this.position.advance(tx.commit(lsn, tx.begunAt));',
    replace: 'await tx.rollback();',
    tests: [ACKNOWLEDGED, { ...ACKNOWLEDGED, name: 'moves on while the synced tables are quiet' }],
    why: 'W-WAL-17: a slot ahead of the stored position reads as a gap, and sends every device to a snapshot.',
  },
  {
    name: 'position-is-not-stored-with-the-batch',
    file: 'lib/store/changelog/changelog-transaction.ts',
    find: 'UPDATE :sync.sync_wal_position SET confirmed_lsn = $2,',
    replace: 'UPDATE :sync.sync_wal_position SET confirmed_lsn = least(confirmed_lsn, $2),',
    tests: [
      {
        file: 'test/replication/stream/wal-recovery.test.ts',
        name: 'goes on with what was committed while nobody consumed',
      },
    ],
    why: 'W-WAL-2: edges, entries and position move together, or a replay doubles them.',
  },
  {
    name: 'position-is-not-compared',
    file: 'lib/store/changelog/changelog-transaction.ts',
    find: 'locked.position.confirmedLsn !== expected.confirmedLsn ||',
    replace: '',
    tests: [
      {
        file: 'test/replication/slot/changelog-transaction.test.ts',
        name: 'is refused to who holds an older position',
      },
    ],
    why: 'Design, rule 4: a consumer that was thought dead must not write behind the back of its successor.',
  },
  {
    name: 'appenders-do-not-take-turns',
    file: 'lib/store/changelog/wal-position.ts',
    find: '`${POSITION} FOR UPDATE`',
    replace: 'POSITION',
    tests: [{ file: 'test/pull/subscription-changes.test.ts', name: 'an appender waits for its turn' }],
    why: 'Interleavings 3: seq 105 would become visible before 104, and a pull would pass 104 by.',
  },
  {
    name: 'replayed-transaction-is-applied-twice',
    file: 'lib/replication/stream/transaction-batcher.ts',
    find: 'skipped: message.commitLsn < this.position(),',
    replace: 'skipped: false,',
    tests: [
      {
        file: 'test/replication/stream/transaction-batcher.test.ts',
        name: 'leaves out what the stored position already covers',
      },
    ],
    why: 'Design, rule 4: what is at or below the stored position has been applied.',
  },
  {
    name: 'transaction-behind-the-position-is-skipped',
    file: 'lib/replication/stream/transaction-batcher.ts',
    find: 'message.commitLsn < this.position(),',
    replace: 'message.commitLsn <= this.position(),',
    tests: [
      {
        file: 'test/replication/stream/transaction-batcher.test.ts',
        name: 'leaves out what the stored position already covers',
      },
    ],
    why: 'W-WAL-1: a commit record may begin exactly where the last one ended.',
  },
  {
    name: 'does-not-wait-for-visibility',
    file: 'lib/replication/batch-writer.ts',
    find: 'if (invisibleTransactions(tx.snapshot, xids).length === 0)',
    replace: 'if (invisibleTransactions(tx.snapshot, xids).length >= 0)',
    tests: [{ file: 'test/replication/stream/wal-visibility.test.ts', name: 'is not in the log' }],
    why: 'Interleavings 1: a pull would read the old row, and its checkpoint pass the change.',
  },
  {
    name: 'waits-for-the-first-transaction-of-a-batch-only',
    file: 'lib/replication/batch-writer.ts',
    find: 'if (invisibleTransactions(tx.snapshot, xids).length === 0)',
    replace: 'if (invisibleTransactions(tx.snapshot, xids.slice(0, 1)).length === 0)',
    tests: [{ file: 'test/replication/stream/wal-visibility.test.ts', name: 'holds back the whole batch' }],
    why: 'Interleavings 1: every transaction of the batch has to be visible.',
  },
  {
    name: 'joins-a-transaction-that-does-not-see-it',
    file: 'lib/replication/batch-writer.ts',
    find: 'const isVisible = held && invisibleTransactions(held.tx.snapshot, xids).length === 0;',
    replace: 'const isVisible = held;',
    tests: [
      {
        file: 'test/replication/stream/wal-visibility.test.ts',
        name: 'does not share the transaction of the batch before',
      },
    ],
    why: 'Interleavings 1: a pull would read no row, and its checkpoint pass the insert.',
  },
  {
    name: 'what-is-held-is-never-full',
    file: 'lib/replication/batch-writer.ts',
    find: 'batches + 1 === MOST_JOINED',
    replace: 'batches < 0',
    tests: [
      {
        file: 'test/replication/stream/wal-transactions.test.ts',
        name: 'of new rows shares a commit with others',
      },
    ],
    why: 'Write → changelog: while there is a backlog nobody would be told of anything.',
  },
  {
    name: 'running-transactions-count-as-visible',
    file: 'lib/replication/stream/snapshot-visibility.ts',
    find: 'return full >= next || (full >= lowest && running.has(full));',
    replace: 'return full >= next || (full > lowest && running.has(full));',
    tests: [
      { file: 'test/snapshot/snapshot-visibility.test.ts', name: 'is found on both sides of a wraparound' },
    ],
    why: 'Interleavings 1: the oldest running transaction is not visible either.',
  },
  {
    name: 'unknown-message-is-passed-over',
    file: 'lib/replication/stream/pgoutput.ts',
    find: 'throw new SynchroError(\'decode_failed\', `the replication stream sent an unknown message "${tag}"`);',
    replace: 'return null;',
    tests: [{ file: 'test/replication/stream/pgoutput.test.ts', name: 'which it must not skip' }],
    why: 'W-WAL-6: what is not understood may be a change.',
  },
  {
    name: 'truncate-is-ignored',
    file: 'lib/replication/stream/pgoutput.ts',
    find: 'return this.truncate(reader);',
    replace: 'return null;',
    tests: [
      {
        file: 'test/replication/tables/wal-changes.test.ts',
        name: 'has a delete in every bucket of a truncated table',
      },
    ],
    why: 'W-WAL-10: the rows would stay on every device.',
  },
  {
    name: 'unchanged-toast-is-null',
    file: 'lib/replication/stream/pgoutput.ts',
    find: 'if (kind === 0x6e) {',
    replace: 'if (kind === 0x6e || kind === 0x75) {',
    tests: [
      {
        file: 'test/replication/tables/wal-changes.test.ts',
        name: 'is not misled by a bucket value that is stored out of line',
      },
    ],
    why: 'W-WAL-11: the row would fall out of its bucket.',
  },
  {
    name: 'tables-go-by-their-bare-name',
    file: 'lib/replication/tables/tracked-tables.ts',
    find: 'this.find(schema, name)?.columns ?? null;',
    replace: "(this.find(schema, name) ?? this.find('public', name))?.columns ?? null;",
    also: [
      {
        file: 'lib/replication/stream/row-events.ts',
        find: 'source: tracked.find(relation.schema, relation.name),',
        replace:
          "source: tracked.find(relation.schema, relation.name) ?? tracked.find('public', relation.name),",
      },
    ],
    tests: [
      {
        file: 'test/replication/tables/wal-changes.test.ts',
        name: 'does not mix up a table with one of the same name',
      },
    ],
    why: 'W-WAL-14: a table of the same name in another schema is another table.',
  },
  {
    name: 'pooled-sessions-keep-their-time-zone',
    file: 'lib/database/session-settings.ts',
    find: "TimeZone: 'UTC',",
    replace: "TimeZone: 'Asia/Tokyo',",
    tests: [{ file: 'test/common/timestamp-without-zone.test.ts', name: 'on its way' }],
    why: 'Interleavings 2, W-DATA-5: values are text, and text follows the settings of the session.',
  },
  {
    name: 'writes-are-forgotten-that-came-while-others-were-waited-for',
    file: 'lib/database/sent-transaction.ts',
    find: 'this.sent = this.sent.filter((answer) => !sent.has(answer));',
    replace: 'this.sent = [];',
    tests: [
      {
        file: 'test/replication/slot/changelog-transaction.test.ts',
        name: 'sent while another one was awaited',
      },
    ],
    why: 'Design, rule 5: what could not be written is told by what it failed of, and nothing goes on behind it.',
  },
  {
    name: 'other-database-system-goes-unnoticed',
    file: 'lib/replication/slot/slot.ts',
    find: "if (position.systemId !== system.systemId) return 'the database system is another one';",
    replace: '',
    tests: [{ file: 'test/replication/slot/slot-discontinuity.test.ts', name: 'slot and stored position' }],
    why: 'Interleavings 4: seqs of another history are not those that devices hold.',
  },
  {
    name: 'promotion-goes-unnoticed',
    file: 'lib/replication/slot/slot.ts',
    find: "if (position.timeline !== system.timeline) return 'the server was promoted (its timeline changed)';",
    replace: '',
    tests: [{ file: 'test/replication/slot/slot-discontinuity.test.ts', name: 'slot and stored position' }],
    why: 'Interleavings 4: after a failover to a lagging standby, seqs are issued again.',
  },
  {
    name: 'gap-before-the-slot-goes-unnoticed',
    file: 'lib/replication/slot/slot.ts',
    find: 'if (!isAhead(slot, position)) return null;',
    replace: 'if (!isAhead(slot, position) || slot.confirmedFlush >= 0n) return null;',
    tests: [{ file: 'test/replication/slot/slot-discontinuity.test.ts', name: 'slot and stored position' }],
    why: 'W-WAL-17: what was committed in the gap is in no changelog.',
  },
  {
    name: 'new-slot-starts-no-epoch',
    file: 'lib/store/changelog/wal-position.ts',
    find: 'const epochSeq = previous === null ? 0n : lastSeq;',
    replace: 'const epochSeq = previous?.epochSeq ?? 0n;',
    tests: [{ file: 'test/replication/slot/wal-epochs.test.ts', name: 'begins under another slot name' }],
    why: 'Design, rule 8: nobody knows what happened before the new slot, so every device takes a snapshot.',
  },
  {
    name: 'epoch-repeats-seqs',
    file: 'lib/store/changelog/wal-position.ts',
    find: 'previous.lastSeq + EPOCH_STEP',
    replace: 'previous.lastSeq + 1n',
    tests: [
      {
        file: 'test/replication/slot/wal-epochs.test.ts',
        name: 'makes a checkpoint that was issued after the point of recovery invalid',
      },
    ],
    why: 'Interleavings 4: a checkpoint of the lost history must not pass for one of the new one.',
  },
  {
    name: 'first-edges-are-not-made',
    file: 'lib/replication/slot/slot-setup.ts',
    find: 'await rules.reresolveAll(tx, applier, shapes);',
    replace: '',
    tests: [
      { file: 'test/replication/stream/wal-recovery.test.ts', name: 'starts with what was there before it' },
    ],
    why: 'W-WAL-3, W-SNAP-7: rows from before the slot would be in no snapshot.',
  },
  {
    name: 'inserted-row-is-new-behind-an-unnamed-delete',
    file: 'lib/replication/stream/batch-segments.ts',
    find: 'if (unnamed.has(table)) continue;',
    replace: '',
    tests: [{ file: FRESH, name: 'applied together, that was deleted before without a name' }],
    why: 'W-OWN-7: the row has edges of before, which nothing else would take away.',
  },
  {
    name: 'orphans-are-looked-for-without-a-note',
    file: 'lib/replication/membership/edge-removal.ts',
    find: 'tx.markReadAhead();',
    replace: '',
    tests: [{ file: FRESH, name: 'applied one by one, that was deleted before without a name' }],
    why: 'W-OWN-7: the same, with the insert in a batch of its own.',
  },
  {
    name: 'rows-are-read-ahead-without-a-note',
    file: 'lib/replication/membership/current-rows.ts',
    find: 'tx.markReadAhead();',
    replace: '',
    tests: [{ file: FRESH, name: 'that was resolved ahead of the stream' }],
    why: 'Interleavings 12: an edge that is there already would stop the consumer.',
  },
  {
    name: 'look-within-a-batch-does-not-count',
    file: 'lib/replication/membership/membership-applier.ts',
    find: 'if (!tx.readAhead) work.edges.add(fresh, []);',
    replace: 'work.edges.add(fresh, []);',
    tests: [{ file: FRESH, name: 'that was resolved ahead of the stream' }],
    why: 'Interleavings 12: an edge that is there already would stop the consumer.',
  },
  {
    name: 'new-parents-are-taken-from-the-log',
    file: 'lib/replication/membership/membership-updater.ts',
    find: 'if (await this.reresolveNewParents(tx, table, chunk, options)) moved = true;',
    replace: '',
    tests: [
      {
        file: 'test/replication/membership/moved-parents.test.ts',
        name: 'is not told to who had read its new parent before',
      },
    ],
    why: 'W-HOST-92: who reads the new parent no more would be told of the row.',
  },
];
