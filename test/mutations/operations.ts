import type { Mutation } from './mutation.js';

const STATUS = 'test/operations/status.test.ts';
const OPERATIONS_TEST = 'test/operations/operations.test.ts';
const COMPACTION = 'test/compaction/compaction.test.ts';
const CLEANUP = 'test/compaction/compaction-cleanup.test.ts';
const SCHEDULE = 'test/compaction/compaction-schedule.test.ts';
const LOGGER = 'test/host/logger-fails.test.ts';
const PRINTABLE = 'test/common/printable.test.ts';

/** What operators see and do: status, lists, compaction, the log. */
export const OPERATIONS: readonly Mutation[] = [
  {
    name: 'nobody-is-ever-behind',
    file: 'lib/operations/sync-status.ts',
    find: 'seconds: behind ? stored.secondsSinceApplied : 0,',
    replace: 'seconds: behind && stored.active !== true ? stored.secondsSinceApplied : 0,',
    tests: [{ file: STATUS, name: 'says by how much the changelog is behind' }],
    why: 'W-HTTP-7: a health check would say ok while devices get nothing.',
  },
  {
    name: 'slots-that-nobody-reads-count-as-read',
    file: 'lib/operations/sync-status.ts',
    find: 'active: stored.active ?? false,',
    replace: 'active: stored.slotName !== null || (stored.active ?? false),',
    tests: [{ file: STATUS, name: 'makes a health check with Terminus' }],
    why: 'W-HTTP-7: a health check would say ok while no instance consumes.',
  },
  {
    name: 'idle-consumers-are-behind',
    file: 'lib/operations/sync-status.ts',
    find: "if (stored.active !== true || stored.lagBytes === '0') return stored;",
    replace: 'if (stored.active !== true || stored.lagBytes !== null) return stored;',
    tests: [{ file: STATUS, name: 'is not behind, however much others write' }],
    why: 'Alarms would go off while all is well.',
  },
  {
    name: 'status-does-not-say-why',
    file: 'lib/replication/wal-consumer.ts',
    find: "this.monitor.enter('failing', text);",
    replace: "this.monitor.enter('failing');",
    tests: [{ file: STATUS, name: 'says why the consumer fails, and since when' }],
    why: 'W-WAL-5: an operator would have to look through logs for what stops everybody.',
  },
  {
    name: 'first-error-ends-the-consumer',
    file: 'lib/replication/wal-consumer.ts',
    find: '        this.report(error);\n      }',
    replace: '        this.report(error);\n        if (!standby) return;\n      }',
    tests: [
      {
        file: 'test/replication/stream/wal-recovery.test.ts',
        name: 'when its walsender connection is lost',
      },
    ],
    why: 'W-WAL-5: a restart of the database would end sync until the app restarts.',
  },
  {
    name: 'all-failures-are-replayed',
    file: 'lib/store/tasks/operation-lists.ts',
    find: 'AND ($1::text IS NULL OR table_name = $1) AND ($2::text[] IS NULL OR record_id = ANY($2))\n       RETURNING id)',
    replace:
      'AND ($1::text IS NULL OR table_name = $1) AND ($2::text[] IS NULL OR record_id <> ALL($2) OR true)\n       RETURNING id)',
    tests: [{ file: OPERATIONS_TEST, name: 'are replayed at once by the consumer, all or some of them' }],
    why: 'An operator who tries one row would have thousands tried.',
  },
  {
    name: 'discarded-rows-keep-nothing',
    file: 'lib/store/clients/parked-rows.ts',
    find: "'parent_id', parent_id, 'change', change,",
    replace: "'parent_id', parent_id,",
    tests: [{ file: OPERATIONS_TEST, name: 'go only by hand: the content is kept' }],
    why: 'Rule 8: what a user typed would be lost.',
  },
  {
    name: 'discarded-rows-stay-on-devices',
    file: 'lib/engine/admin/sync-operations.ts',
    find: "await enqueueTask(manager, { kind: 'withdraw', table, recordIds: [recordId], userId });",
    replace: '',
    tests: [{ file: OPERATIONS_TEST, name: 'every device of the user drops its copy' }],
    why: 'The device would show for ever a row that nobody else gets.',
  },
  {
    name: 'slow-devices-keep-all-history',
    file: 'lib/store/changelog/retention.ts',
    find: 'AND last_pull_seq >= greatest(p.floor_seq, resync_seq)), $1::bigint),',
    replace: 'AND last_pull_seq >= greatest(p.floor_seq, resync_seq)), $1::bigint - $1::bigint),',
    tests: [{ file: COMPACTION, name: 'lets history go that an active device still needs' }],
    why: 'W-CMP-2: one device would fill the disk.',
  },
  {
    name: 'young-history-goes-too',
    file: 'lib/store/changelog/retention.ts',
    find: "WHERE created_at >= now() - $1 * interval '1 millisecond'",
    replace: "WHERE created_at >= now() + $1 * interval '1 millisecond'",
    tests: [{ file: COMPACTION, name: 'removes nothing that is younger' }],
    why: 'W-CMP-2: every device would take a snapshot after each run.',
  },
  {
    name: 'devices-that-take-a-snapshot-are-forgotten',
    file: 'lib/store/clients/cleanup.ts',
    find: "WHERE NOT is_active AND coalesce(snapshot_expires_at, '-infinity') <= now()",
    replace: 'WHERE NOT is_active',
    tests: [{ file: CLEANUP, name: 'keeps a device that pushes, or takes a snapshot' }],
    why: 'W-CMP-4: a device would be unknown between two pages.',
  },
  {
    name: 'open-failures-are-removed',
    file: 'lib/store/clients/cleanup.ts',
    find: "WHERE resolved_at < now() - $1 * interval '1 millisecond' LIMIT $2)",
    replace: "WHERE coalesce(resolved_at, '-infinity') < now() - $1 * interval '1 millisecond' LIMIT $2)",
    tests: [{ file: CLEANUP, name: 'removes failures that were resolved before the threshold' }],
    why: 'W-CMP-4: a row whose rule failed would never be tried again.',
  },
  {
    name: 'current-contract-is-removed',
    file: 'lib/store/clients/cleanup.ts',
    find: 'WHERE schema_version <> $1\n',
    replace: 'WHERE schema_version <> -$1::bigint\n',
    tests: [{ file: CLEANUP, name: 'keeps the last hundred contracts, and the current one' }],
    why: 'W-CMP-4: after a reverted migration every device would start over.',
  },
  {
    name: 'instances-compact-at-once',
    file: 'lib/store/changelog/compaction-lock.ts',
    find: 'return locked ? await work() : null;',
    replace: 'return locked || !wait ? await work() : null;',
    tests: [{ file: SCHEDULE, name: 'one instance runs at a time, the others skip' }],
    why: 'W-CMP-5: ten instances would do the same work at the same time.',
  },
  {
    name: 'first-compaction-comes-after-the-interval',
    file: 'lib/engine/compaction/compaction-schedule.ts',
    find: 'Math.min(interval, FIRST_RUN_MS) * (1 - random() / 2)',
    replace: 'interval * (1 - random() / 2)',
    tests: [{ file: SCHEDULE, name: 'the first run comes after half to all of it' }],
    why: 'W-CMP-5: an app that restarts each day would never compact.',
  },
  {
    name: 'results-hold-bigints',
    file: 'lib/engine/compaction/compactor.ts',
    find: 'safeSeq: safeSeq.toString(),',
    replace: 'safeSeq,',
    also: [
      {
        file: 'lib/settings/compaction-result.ts',
        find: 'readonly safeSeq: string;',
        replace: 'readonly safeSeq: bigint;',
      },
    ],
    tests: [{ file: 'test/http/json-safe-results.test.ts', name: 'can be returned from a controller' }],
    why: 'W-HOST-14: a controller that returns the result would answer 500.',
  },
  {
    name: 'loggers-that-throw-end-the-consumer',
    file: 'lib/common/sync-logger.ts',
    find: '    } catch (error) {\n      failed(error);\n    }',
    replace: '    } catch (error) {\n      failed(error);\n      throw error;\n    }',
    tests: [{ file: LOGGER, name: 'that throws costs nobody anything' }],
    why: 'W-HOST-38: a full disk of logs would end the process.',
  },
  {
    name: 'loggers-that-reject-end-the-process',
    file: 'lib/common/sync-logger.ts',
    find: 'if (isPromise(written)) written.then(undefined, failed);',
    replace: 'if (isPromise(written)) written.then(() => undefined);',
    tests: [{ file: LOGGER, name: 'that rejects costs nobody anything' }],
    why: 'W-HOST-38: the process would end by an unhandled rejection.',
  },
  {
    name: 'passwords-of-urls-are-logged',
    file: 'lib/common/printable.ts',
    find: 'return colon === -1 || colon > at ? url :',
    replace: 'return colon === -1 || colon < at ? url :',
    tests: [{ file: PRINTABLE, name: 'are masked' }],
    why: 'W-LOAD-10: who reads logs could read the database.',
  },
  {
    name: 'encoded-names-of-passwords-are-not-known',
    file: 'lib/common/printable.ts',
    find: '!PASSWORD.test(decoded(name))',
    replace: '!PASSWORD.test(name)',
    tests: [{ file: PRINTABLE, name: '%70assword' }],
    why: 'W-LOAD-10: a URL may spell the name in another way.',
  },
];
