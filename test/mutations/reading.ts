import type { Mutation } from './mutation.js';

const COSTS = 'test/pull/request-costs.test.ts';
const PAGES = 'test/snapshot/snapshot-pages.test.ts';

/** What pulls and snapshots read and note, beside {@link PULL}. */
export const READING: readonly Mutation[] = [
  {
    name: 'undeleted-rows-keep-their-time',
    file: 'lib/replication/membership/edge-diff.ts',
    find: 'const plain = grew && (live === false ? isChange(row) : isFreshInsert(row, micros));',
    replace: 'const plain = (live === false && isChange(row)) || (grew && isFreshInsert(row, micros));',
    tests: [
      { file: 'test/pull/served-timestamps.test.ts', name: 'is deleted and undeleted in SQL comes back' },
    ],
    why: 'W-PULL-10: devices would skip the row, and it would stay deleted there.',
  },
  {
    name: 'each-pull-is-noted',
    file: 'lib/store/clients/sync-clients.ts',
    find: '  if (!isNew && client.active && client.hasPulledLately && isTold) return null;\n',
    replace: '',
    tests: [{ file: COSTS, name: 'a pull that has nothing new writes nothing' }],
    why: 'W-PULL-13: ten thousand quiet devices would write all day.',
  },
  {
    name: 'devices-that-come-back-do-not-count',
    file: 'lib/store/clients/sync-clients.ts',
    find: 'last_pull_at = now(), last_sync_at = now(),\n          is_active = true, served_seq',
    replace: 'last_pull_at = now(), last_sync_at = now(),\n          served_seq',
    tests: [{ file: 'test/compaction/retention.test.ts', name: 'counts again as soon as it pulls' }],
    why: 'W-PULL-14: compaction would remove what the device needs.',
  },
  {
    name: 'buckets-are-read-as-a-whole',
    file: 'lib/engine/pull/log-page.ts',
    find: 'ORDER BY l.bucket_id, l.seq LIMIT $4::int + 1) AS e',
    replace: 'ORDER BY l.bucket_id, l.seq) AS e',
    also: [
      {
        file: 'lib/engine/pull/log-page.ts',
        find: 'ORDER BY l.bucket_id, l.seq LIMIT $4::int / cardinality($3::text[]) + 8) AS e',
        replace: 'ORDER BY l.bucket_id, l.seq) AS e',
      },
    ],
    tests: [{ file: COSTS, name: 'a page of the log of many buckets reads no more of each' }],
    why: 'W-PULL-15: a device that was away would read the whole log for each page.',
  },
  {
    name: 'snapshots-sort-whole-tables',
    file: 'lib/engine/snapshot/snapshotter.ts',
    find: 'ORDER BY bucket_id, table_name, record_id LIMIT $4::int) AS e',
    replace: 'ORDER BY bucket_id, table_name, record_id) AS e',
    tests: [{ file: COSTS, name: 'a page of a snapshot reads no more edges and rows' }],
    why: 'W-SNAP-4: a million rows would take a million times a thousand.',
  },
  {
    name: 'cursors-of-unknown-tables-are-gone-on-from',
    file: 'lib/engine/snapshot/snapshotter.ts',
    find: 'if (cursor && this.registry.find(cursor.table) !== undefined) {',
    replace: 'if (cursor) {',
    tests: [{ file: PAGES, name: 'that was changed starts over, and never fails' }],
    why: 'W-SNAP-5: a snapshot would end before its end, and the device believe that it has everything.',
  },
  {
    name: 'tables-come-as-they-were-imported',
    file: 'lib/registry/sync-registry.ts',
    find: 'a.depth - b.depth || (a.name < b.name ? -1 : 1)',
    replace: 'a.depth - b.depth',
    tests: [{ file: 'test/registry/registry.test.ts', name: 'gives tables of one depth by name' }],
    why: 'W-SNAP-5: a deploy between two pages would shift the tables.',
  },
  {
    name: 'checkpoints-of-cursors-are-believed',
    file: 'lib/store/changelog/snapshot-holds.ts',
    find: 'WHERE c.id = $1 AND $2::bigint <= p.last_seq AND ${where} RETURNING c.id`,',
    replace: 'WHERE c.id = $1 AND $2::bigint <= p.last_seq + 1000000 AND ${where} RETURNING c.id`,',
    tests: [{ file: PAGES, name: 'that was changed starts over, and never fails' }],
    why: 'W-SNAP-9: a device would pass over what is logged until then.',
  },
  {
    name: 'children-inherit-from-live-edges-alone',
    file: 'lib/replication/membership/edge-diff.ts',
    find: 'return edges.size === 0 ? NO_BUCKETS : new Set(edges.keys());',
    replace:
      'return edges.size === 0 ? NO_BUCKETS : new Set([...edges].flatMap(([bucket, live]) => (live ? bucket : [])));',
    tests: [
      {
        file: 'test/replication/membership/wal-soft-delete.test.ts',
        name: 'hands its buckets on to children that are inserted, changed or moved under it',
      },
      // Only where the child is not in one batch with its parent's end.
      { file: PAGES, name: 'leaves soft-deleted rows out, but not what stands under them' },
    ],
    why: 'W-SNAP-10: what stands under a deleted row would be missing.',
  },
];
