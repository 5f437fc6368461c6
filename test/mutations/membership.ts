import type { Mutation } from './mutation.js';

/** Who sees a row: buckets, edges, entries, and what follows a row. */
export const MEMBERSHIP: readonly Mutation[] = [
  {
    name: 'former-bucket-keeps-the-row',
    file: 'lib/replication/membership/edge-diff.ts',
    find: 'if (wanted.has(bucket) && !(deleted && live)) continue;',
    replace: 'if (!(deleted && live)) continue;',
    tests: [{ file: 'test/scenarios/scenarios-wal.test.ts', name: '[scenario 148]' }],
    why: 'Design, rule 1: edges are diffed, or the former owner goes on reading the row.',
  },
  {
    name: 'deletes-come-after-creates',
    file: 'lib/replication/membership/edge-diff.ts',
    find: '  return entries;\n}\n\n/** Entries for the buckets',
    replace: '  return entries.toReversed();\n}\n\n/** Entries for the buckets',
    tests: [
      {
        file: 'test/replication/membership/edge-diff.test.ts',
        name: 'takes it from the buckets that it has left before',
      },
    ],
    why: 'W-PULL-1: who reads both buckets would lose a row that moves between them.',
  },
  {
    name: 'entries-lose-the-order-of-the-log',
    file: 'lib/replication/membership/membership-work.ts',
    find: 'this.entries.toSorted((a, b) => a.order - b.order)',
    replace: 'this.entries',
    tests: [
      {
        file: 'test/replication/tables/wal-changes.test.ts',
        name: 'keeps the order of the changes, whatever tables they are of',
      },
    ],
    why: 'Design, how a change travels: deletes and changes keep the order of the log.',
  },
  {
    name: 'soft-delete-removes-the-edges',
    file: 'lib/replication/membership/edge-diff.ts',
    find: 'record.edges.set(bucket, !row.deleted);\n    if (row.deleted) continue;',
    replace: `if (row.deleted) {
      record.edges.delete(bucket);
      continue;
    }
    record.edges.set(bucket, true);`,
    tests: [{ file: 'test/replication/membership/wal-soft-delete.test.ts', name: 'keeps its edges, dead' }],
    why: 'Interleavings 8: children inherit through a soft-deleted parent.',
  },
  {
    name: 'row-inserted-as-deleted-is-live',
    file: 'lib/replication/membership/membership-work.ts',
    find: 'const deleted = deletedAt !== null && deletedAt !== undefined;',
    replace: "const deleted = deletedAt === '';",
    tests: [
      {
        file: 'test/replication/membership/wal-soft-delete.test.ts',
        name: 'that was inserted as one is never announced',
      },
    ],
    why: 'W-WAL-13: live means that deleted_at is null.',
  },
  {
    name: 'hard-delete-repeats-the-soft-one',
    file: 'lib/replication/membership/edge-diff.ts',
    find: '.filter(([, live]) => live)',
    replace: '',
    tests: [{ file: 'test/replication/membership/wal-soft-delete.test.ts', name: 'for good' }],
    why: 'W-WAL-13: who does not see a row any more is told nothing of it.',
  },
  {
    name: 'children-stay-when-the-parent-moves',
    file: 'lib/replication/membership/membership-updater.ts',
    find: 'values: [...changed] };',
    replace: 'values: [...changed].slice(changed.size) };',
    tests: [
      {
        file: 'test/replication/membership/wal-children.test.ts',
        name: 'follow a parent that moves to another user',
      },
    ],
    why: 'W-WAL-8: comments follow their task, at any depth.',
  },
  {
    name: 'rows-that-are-gone-wait-for-their-own-change',
    file: 'lib/replication/membership/membership-updater.ts',
    find: "filter === 'all' || options.removed !== true",
    replace: "filter === 'all' || (options.removed ?? true)",
    tests: [
      {
        file: 'test/replication/rules/wal-bucket-sources.test.ts',
        name: 'takes a row along that is gone by then',
      },
    ],
    why: 'Interleavings 6: a device that comes later would be told of a row that its user had lost before.',
  },
  {
    name: 'children-that-are-gone-follow-their-parent',
    file: 'lib/replication/membership/apply-event.ts',
    find: 'context.until < END ? order : commitEnd',
    replace: 'commitEnd',
    tests: [
      { file: 'test/replication/membership/wal-children.test.ts', name: 'do not reach users who get it' },
    ],
    why: 'Interleavings 9: who gets the parent would be told of a child that was gone before.',
  },
  {
    name: 'rows-that-are-gone-come-into-buckets',
    file: 'lib/replication/membership/updates-of-deleted-rows.ts',
    find: 'if (updates.size === 0) return updates;',
    replace: 'if (updates.size >= 0) return new Set();',
    tests: [
      {
        file: 'test/replication/membership/wal-children.test.ts',
        name: 'that are gone by now come into no other bucket',
      },
    ],
    why: 'Interleavings 9: who had the parent before would be told of a child that came to it later.',
  },
  {
    name: 'edges-go-without-an-entry',
    file: 'lib/store/changelog/changelog-transaction.ts',
    find: 'FROM removed WHERE live AND $3::smallint IS NOT NULL',
    replace: 'FROM removed WHERE false AND $3::smallint IS NOT NULL',
    tests: [
      {
        file: 'test/replication/membership/edge-removal.test.ts',
        name: 'a row that goes while the edges of others are removed',
      },
    ],
    why: 'W-WAL-8: what an edge goes by has to be told, or the row stays on devices.',
  },
  {
    name: 'children-follow-ahead-of-the-log',
    file: 'lib/replication/membership/membership-updater.ts',
    find: 'work\n        .childrenOf(options.childrenOf, table, current)',
    replace: 'current',
    tests: [
      {
        file: 'test/replication/membership/wal-children.test.ts',
        name: 'that come after their parent has moved',
      },
    ],
    why: 'Interleavings 9: the id of a child would be told to who had the parent before the child came.',
  },
  {
    name: 'children-that-waited-follow-wherever-they-are',
    file: 'lib/replication/membership/membership-work.ts',
    find: ': parents.has(id);',
    replace: ': true;',
    tests: [
      { file: 'test/replication/membership/wal-children.test.ts', name: 'that waited and have moved by now' },
    ],
    why: 'Interleavings 9: the log knows whose their new parent was, not whose it is.',
  },
  {
    name: 'a-new-parent-with-the-same-buckets-is-forgotten',
    file: 'lib/replication/membership/edge-workspace.ts',
    find: ' || record.parentId !== record.beforeParentId',
    replace: '',
    tests: [
      {
        file: 'test/replication/membership/wal-children.test.ts',
        name: 'follow a parent that they came to unseen',
      },
    ],
    why: 'Only children that the log knows follow their parent: this one would stay behind.',
  },
  {
    name: 'children-come-before-their-parent-has-followed',
    file: 'lib/replication/membership/membership-applier.ts',
    find: 'if (!above.includes(table)) continue;',
    replace: 'if (above.length >= 0) continue;',
    tests: [
      {
        file: 'test/replication/membership/wal-children.test.ts',
        name: 'that come under a child of a parent that has moved',
      },
    ],
    why: 'Interleavings 9: their ids would be told to who had that parent before.',
  },
  {
    name: 'entries-take-the-records-of-other-edges',
    file: 'lib/replication/membership/membership-write.ts',
    find: 'return edge?.recordId === recordId && edge.bucket === bucket && edge.table === table;',
    replace: 'return edge !== undefined || table === recordId + bucket;',
    tests: [
      {
        file: 'test/replication/membership/wal-soft-delete.test.ts',
        name: 'takes nothing from the entries of others beside it',
      },
      {
        file: 'test/replication/membership/wal-soft-delete.test.ts',
        name: 'from the entry of a row whose time stands still',
      },
    ],
    why: 'Rule 1: the wrong devices would be told of the wrong row.',
  },
  {
    name: 'waiting-child-is-not-released',
    file: 'lib/replication/membership/membership-updater.ts',
    find: 'if (!this.pending.waiting || appeared.size === 0) return;',
    replace: 'if (appeared.size >= 0) return;',
    tests: [
      {
        file: 'test/replication/membership/wal-children.test.ts',
        name: 'that come in an earlier transaction than their parent',
      },
    ],
    why: 'Interleavings 7: a child decoded before its parent would never be seen.',
  },
  {
    name: 'parents-are-resolved-in-arrival-order',
    file: 'lib/replication/membership/membership-applier.ts',
    find: `await this.applyEvents(tx, current, table, left.get(table.name) ?? []);
      left.delete(table.name);`,
    replace: `const next = [...left.keys()][0] ?? table.name;
      await this.applyEvents(tx, current, registry.get(next), left.get(next) ?? []);
      left.delete(next);`,
    tests: [
      {
        file: 'test/replication/membership/wal-children.test.ts',
        name: 'are resolved on the state in which a batch leaves their parent',
      },
      {
        file: 'test/replication/membership/wal-children.test.ts',
        name: 'that come before their parent in a transaction get',
      },
    ],
    why: 'Interleavings 7: within a batch parents come first, on its final state.',
  },
  {
    name: 'served-time-is-never-set',
    file: 'lib/store/changelog/changelog-sql.ts',
    find: 'once(entries.map(({ servedAt }) => (servedAt === null ? null : formatMicros(servedAt)))),',
    replace: 'entries.map(() => null),',
    tests: [
      {
        file: 'test/pull/served-timestamps.test.ts',
        name: 'a change that does not move updated_at reaches devices',
      },
    ],
    why: 'Interleavings 12: devices skip a row whose updated_at did not grow.',
  },
  {
    name: 'own-echo-is-stamped',
    file: 'lib/replication/membership/edge-diff.ts',
    find: 'servedAt: grew ? null : after(known, row.commitTime),',
    replace: 'servedAt: after(known, row.commitTime),',
    tests: [{ file: 'test/pull/served-timestamps.test.ts', name: "the echo of a device's own update" }],
    why: 'Interleavings 12: an echo that is applied overwrites what was typed since.',
  },
  {
    name: 'row-new-to-a-bucket-keeps-its-time',
    file: 'lib/replication/membership/edge-diff.ts',
    find: "return cause === 'insert' && micros !== null",
    replace: 'return micros !== null',
    tests: [
      {
        file: 'test/replication/membership/edge-diff.test.ts',
        name: 'is the commit for a row that is new to a bucket',
      },
    ],
    why: 'Interleavings 12: an UPDATE that makes a new edge is stamped.',
  },
  {
    name: 'key-change-leaves-the-old-id',
    file: 'lib/replication/stream/row-events.ts',
    find: 'if (previousId !== null && previousId !== recordId) events.push(gone(from, previousId));',
    replace: '',
    tests: [
      {
        file: 'test/replication/tables/wal-changes.test.ts',
        name: 'takes the old id away when a primary key changes',
      },
    ],
    why: 'W-WAL-9: the row would be there twice on every device.',
  },
  {
    name: 'null-owner-means-global',
    file: 'lib/resolvers/join-resolver.ts',
    find: 'return table.globalWhenBucketNull ? [GLOBAL_BUCKET] : [];',
    replace: 'return [GLOBAL_BUCKET];',
    tests: [{ file: 'test/registry/resolvers.test.ts', name: 'the default rule' }],
    why: 'Design, buckets: null means global only where the options say so; else it is a leak to everyone.',
  },
  {
    name: 'bucket-source-that-goes-is-ignored',
    file: 'lib/replication/stream/row-events.ts',
    find: "message.tag === 'insert' ? null : message.previous,",
    replace: "message.tag === 'update' ? message.previous : null,",
    tests: [
      {
        file: 'test/replication/rules/wal-bucket-sources.test.ts',
        name: 'brings a row and its children into view when it names them',
      },
    ],
    why: 'Interleavings 6: who loses a share would keep the task.',
  },
  {
    name: 'bucket-source-that-moves-leaves-its-former-row',
    file: 'lib/replication/stream/row-events.ts',
    find: "message.tag === 'insert' ? null : message.previous,",
    replace: "message.tag === 'delete' ? message.previous : null,",
    tests: [
      {
        file: 'test/replication/rules/wal-bucket-sources.test.ts',
        name: 'moves the view along when its foreign key changes',
      },
    ],
    why: 'Interleavings 6: a share that names another task no longer shows the first one.',
  },
  {
    name: 'rule-failures-are-dropped',
    file: 'lib/replication/rules/rule-failures.ts',
    find: 'for (const { table, failure, operation } of failures)',
    replace: 'for (const { table, failure, operation } of failures.slice(0, 0))',
    tests: [
      {
        file: 'test/replication/rules/wal-rule-failures.test.ts',
        name: 'leaves the row the buckets that it had, and is recorded',
      },
    ],
    why: 'W-WAL-7: what can not be resolved is retried until it succeeds.',
  },
  {
    name: 'failed-rule-takes-the-row-away',
    file: 'lib/replication/membership/edge-diff.ts',
    find: 'new Set(row.buckets ?? record.edges.keys())',
    replace: 'new Set(row.buckets ?? [])',
    tests: [
      {
        file: 'test/replication/rules/wal-rule-failures.test.ts',
        name: 'leaves the row the buckets that it had, and is recorded',
      },
    ],
    why: 'Design, rule 5: what can not be resolved keeps its old membership.',
  },
  {
    name: 'lost-connection-is-a-rule-failure',
    file: 'lib/replication/rules/bucket-rules.ts',
    find: 'if (mayPass && (await this.isToBeWaitedFor(table, budget))) throw error;',
    replace: 'if (mayPass && (await this.isToBeWaitedFor(table, budget)) && rows.length === 0) throw error;',
    tests: [
      {
        file: 'test/replication/rules/wal-rule-failures.test.ts',
        name: 'is none while nothing is answered for',
      },
    ],
    why: 'W-WAL-7: transient errors are retried, they say nothing of the row.',
  },
  {
    name: 'changed-rule-is-not-noticed',
    file: 'lib/replication/tables/table-rules.ts',
    find: 'else if (known.hash !== current.get(name))',
    replace: 'else if (known.hash === null)',
    tests: [
      {
        file: 'test/replication/slot/wal-rolling-deploy.test.ts',
        name: 'resolves a table again whose rule reads the same columns in another way',
      },
    ],
    why: 'Interleavings 5: edges by the former rule show rows to whom they no longer belong.',
  },
  {
    name: 'new-table-gets-edges-without-entries',
    file: 'lib/replication/tables/table-rules.ts',
    find: 'const silent = clients.rows.length === 0;',
    replace: 'const silent = clients.rows.length >= 0;',
    tests: [
      {
        file: 'test/replication/slot/wal-rolling-deploy.test.ts',
        name: 'brings what was written into a new table',
      },
    ],
    why: 'Interleavings 5: devices that are there already would never hear of those rows.',
  },
  {
    name: 'first-edges-do-not-inherit-from-dead-ones',
    file: 'lib/replication/membership/edge-backfill.ts',
    find: 'JOIN :sync.sync_bucket_edges AS e ON e.table_name',
    replace: 'JOIN :sync.sync_bucket_edges AS e ON e.live AND e.table_name',
    tests: [
      { file: 'test/replication/membership/edge-backfill.test.ts', name: 'whether the database writes them' },
    ],
    why: 'Interleavings 8: what stands under a deleted row stays with its readers.',
  },
  {
    name: 'first-edges-of-a-subclass-of-the-rule',
    file: 'lib/replication/membership/membership-updater.ts',
    find: 'options.silent === true && this.rules.isDefault(table);',
    replace: 'options.silent === true;',
    tests: [
      {
        file: 'test/replication/membership/edge-backfill.test.ts',
        name: 'are those of the rule of the host',
      },
    ],
    why: 'A rule of the host decides who sees what: the default one would show the rows to others.',
  },
];
