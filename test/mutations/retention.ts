import type { Mutation } from './mutation.js';

const RETENTION_TEST = 'test/compaction/retention.test.ts';

/** Snapshots, the retention floor and compaction. */
export const RETENTION: readonly Mutation[] = [
  {
    name: 'retention-goes-by-the-oldest-entry',
    file: 'lib/engine/request/context-row.ts',
    find: 'p.floor_seq::text',
    replace: 'coalesce((SELECT min(seq) FROM :sync.sync_changelog), 0)::text AS floor_seq',
    tests: [
      { file: RETENTION_TEST, name: 'is never sent to a snapshot, and never holds compaction back' },
      { file: RETENTION_TEST, name: 'sends a client below it, and none at it or above' },
      { file: RETENTION_TEST, name: 'is stored: it outlasts the entries' },
    ],
    why: 'W-PULL-4: MIN(seq) is no floor: it sends quiet devices to snapshots, and lets others miss deletes.',
  },
  {
    name: 'floor-is-not-raised',
    file: 'lib/store/changelog/retention.ts',
    find: 'UPDATE :sync.sync_wal_position p SET floor_seq = greatest(p.floor_seq, (',
    replace: 'UPDATE :sync.sync_wal_position p SET floor_seq = least(p.floor_seq, (',
    also: [
      {
        file: 'lib/store/changelog/retention.ts',
        find: "'SELECT floor_seq::text AS floor FROM :sync.sync_wal_position',",
        replace:
          "'SELECT coalesce(min(last_pull_seq), 0)::text AS floor FROM :sync.sync_clients WHERE is_active',",
      },
    ],
    tests: [{ file: RETENTION_TEST, name: 'is stored: it outlasts the entries' }],
    why: 'Design, rule 7: a device below the deleted entries would go on without them.',
  },
  {
    name: 'compaction-passes-snapshots-in-progress',
    file: 'lib/store/changelog/retention.ts',
    find: 'min(snapshot_seq) FILTER (WHERE snapshot_expires_at > now()',
    replace: 'min(snapshot_seq) FILTER (WHERE false',
    tests: [{ file: RETENTION_TEST, name: 'holds back compaction between two of its pages' }],
    why: 'W-SNAP-8, interleavings 22: the snapshot would end below the floor, and start over, for ever.',
  },
  {
    name: 'compaction-goes-by-the-fastest-device',
    file: 'lib/store/changelog/retention.ts',
    find: 'min(last_pull_seq) FILTER',
    replace: 'max(last_pull_seq) FILTER',
    tests: [{ file: 'test/compaction/compaction.test.ts', name: 'goes to the slowest device' }],
    why: 'W-CMP-2: an active device would be sent to a snapshot each time.',
  },
  {
    name: 'compaction-does-not-wait-for-beginning-snapshots',
    file: 'lib/store/changelog/retention.ts',
    find: "'SELECT pg_advisory_xact_lock($1)'",
    replace: "'SELECT $1::integer'",
    tests: [{ file: RETENTION_TEST, name: 'is seen by a compaction that comes while it begins' }],
    why: 'W-CMP-3: a snapshot that begins meanwhile would begin below the floor.',
  },
  {
    name: 'snapshot-does-not-hold',
    file: 'lib/store/changelog/snapshot-holds.ts',
    find: "snapshot_expires_at = ${expiresSql(BEGAN, '$2', '$5')}, bucket_subs = $3",
    replace: "snapshot_expires_at = ${expiresSql(BEGAN, '-$2', '$5')}, bucket_subs = $3",
    tests: [{ file: RETENTION_TEST, name: 'holds back compaction between two of its pages' }],
    why: 'Interleavings 22: from its first page on, a snapshot holds what its pull will need.',
  },
  {
    name: 'snapshot-takes-a-new-checkpoint-with-each-page',
    file: 'lib/engine/snapshot/snapshot.ts',
    find: 'const result = { ...records, checkpoint: cursor.checkpoint, contract };',
    replace: 'const result = { ...records, checkpoint: served, contract };',
    tests: [{ file: 'test/snapshot/snapshot-pages.test.ts', name: 'as the first page fixes the checkpoint' }],
    why: 'W-SNAP-2: what changed on pages that were sent already would never come.',
  },
  {
    name: 'snapshot-goes-on-without-its-hold',
    file: 'lib/engine/snapshot/snapshotter.ts',
    find: 'hold.left > this.options.snapshotHold &&',
    replace: '',
    tests: [{ file: RETENTION_TEST, name: 'goes on after its hold has expired, and takes another one' }],
    why: 'Interleavings 22: what is deleted meanwhile would stay on the device when its history goes.',
  },
  {
    name: 'snapshot-ends-at-zero',
    file: 'lib/engine/snapshot/snapshot.ts',
    find: 'const result = { ...records, checkpoint: cursor.checkpoint, contract };',
    replace: 'const result = { ...records, checkpoint: records.next ? cursor.checkpoint : 0n, contract };',
    tests: [
      {
        file: 'test/snapshot/snapshot-pages.test.ts',
        name: 'of nothing are one empty page, whose checkpoint is not 0',
      },
    ],
    why: 'W-SNAP-3: SDKs take 0 for no snapshot at all.',
  },
  {
    name: 'cursor-is-not-bound-to-its-device',
    file: 'lib/store/changelog/snapshot-holds.ts',
    find: 'AND $2::bigint <= p.last_seq AND ${where} RETURNING',
    replace: 'AND $2::bigint <= p.last_seq AND (${where} OR true) RETURNING',
    tests: [
      {
        file: 'test/snapshot/snapshot-pages.test.ts',
        name: 'of another device, without a snapshot in progress, starts over',
      },
    ],
    why: 'W-SNAP-9: a device that goes on with the cursor of another one lacks the pages before.',
  },
  {
    name: 'snapshot-shows-the-rows-of-everyone',
    file: 'lib/engine/snapshot/snapshotter.ts',
    find: 'FROM unnest($1::text[]) AS b (bucket_id)',
    replace:
      'FROM (SELECT bucket_id FROM :sync.sync_bucket_edges EXCEPT SELECT unnest($1::text[]) WHERE false) AS b',
    tests: [
      { file: 'test/snapshot/snapshot-pages.test.ts', name: 'is that of the edges: shared rows come' },
      { file: 'test/pull/sharing.test.ts', name: 'comes with all that is under it' },
    ],
    why: 'W-SNAP-1: membership decides, in a snapshot as in a pull.',
  },
  {
    name: 'rows-from-before-the-slot-raise-no-floor',
    file: 'lib/replication/slot/slot-setup.ts',
    find: 'WHERE EXISTS (SELECT FROM :sync.sync_bucket_edges WHERE live)`',
    replace: 'WHERE false`',
    tests: [{ file: RETENTION_TEST, name: 'where rows were there before the slot' }],
    why: 'Interleavings 24: those rows have no entries, so a pull from 0 would miss them.',
  },
  {
    name: 'stale-devices-hold-history-back',
    file: 'lib/store/changelog/retention.ts',
    find: 'UPDATE :sync.sync_clients SET is_active = false\n      WHERE is_active',
    replace: 'UPDATE :sync.sync_clients SET is_active = false\n      WHERE NOT is_active',
    tests: [
      {
        file: 'test/compaction/compaction.test.ts',
        name: 'that is silent for the threshold no longer counts',
      },
    ],
    why: 'W-CMP-2: a phone that was lost would keep the log for ever.',
  },
  {
    name: 'outdated-log-is-read',
    file: 'lib/engine/request/sync-context.ts',
    find: 'if (log.isOutdated) throw',
    replace: 'if (log.isOutdated && log.lastSeq < 0n) throw',
    tests: [{ file: 'test/pull/outdated-log.test.ts', name: 'a snapshot has to come back' }],
    why: 'W-WAL-17: after a restore from an older copy, the edges of that time would show rows as they are now.',
  },
  {
    name: 'outdated-log-is-read-once-its-slot-is-dropped',
    file: 'lib/replication/slot/slot-setup.ts',
    find: 'if (position && slot && isAhead(slot, position)) await voidPosition(client);',
    replace: 'if (position && slot && !isAhead(slot, position)) await voidPosition(client);',
    tests: [{ file: 'test/pull/outdated-log.test.ts', name: 'while a new slot is being made, too' }],
    why: 'The same while the slot is made anew, which takes as long as the longest transaction.',
  },
  {
    name: 'push-goes-by-an-outdated-log',
    file: 'lib/engine/push/push.ts',
    find: 'context.log?.isOutdated ? [] : buckets',
    replace: 'buckets',
    tests: [{ file: 'test/pull/outdated-log.test.ts', name: 'a push is taken' }],
    why: 'The same in the answer to a push.',
  },
];
