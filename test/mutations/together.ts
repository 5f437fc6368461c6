import type { Mutation } from './mutation.js';

const COALESCER = 'test/pull/coalescer.test.ts';
const CLIENT_ADMIN = 'test/compaction/client-admin.test.ts';
const RETENTION_TEST = 'test/compaction/retention.test.ts';
const PARKING = 'test/push/parking/push-parking.test.ts';
const BEFORE_APPLY = 'test/push/before-apply.test.ts';

/** Where several requests, users or changes come together: nobody gets, or loses, what is another one's. */
export const TOGETHER: readonly Mutation[] = [
  {
    name: 'answers-go-to-others',
    file: 'lib/engine/pull/coalescer.ts',
    find: 'resolve(answers[index] as Answer);',
    replace: 'resolve(answers[answers.length - 1 - index] as Answer);',
    tests: [{ file: COALESCER, name: 'each gets its own answer' }],
    why: 'A device would be told of another user’s log.',
  },
  {
    name: 'one-question-fails-all',
    file: 'lib/engine/pull/coalescer.ts',
    find: 'if (others.length === 0) first?.reject(error);',
    replace: 'if (others.length < MOST) for (const each of [first, ...others]) each?.reject(error);',
    tests: [{ file: COALESCER, name: 'that fail together are asked one by one' }],
    why: 'Rule 13: one device that can’t be answered would cost a hundred others their pull.',
  },
  {
    name: 'news-of-one-entry-is-none',
    file: 'lib/engine/request/context-row.ts',
    find: '> (b.bucket_id, asked.checkpoint) AND',
    replace: '> (b.bucket_id, asked.checkpoint + 1) AND',
    tests: [
      {
        file: 'test/pull/request-costs.test.ts',
        name: 'a pull that has something new takes three round trips',
      },
    ],
    why: 'The checkpoint would pass an entry that was never told.',
  },
  {
    name: 'devices-are-known-by-their-id-alone',
    file: 'lib/engine/request/context-row.ts',
    find: 'LEFT JOIN :sync.sync_clients c ON c.user_id = $1 AND c.client_id = $2',
    replace: 'LEFT JOIN :sync.sync_clients c ON $1::text IS NOT NULL AND c.client_id = $2',
    also: [
      {
        file: 'lib/engine/request/context-row.ts',
        find: 'WHERE c.user_id = asked.user_id AND c.client_id = asked.client_id OFFSET 0',
        replace: 'WHERE c.client_id = asked.client_id OFFSET 0',
      },
    ],
    tests: [{ file: RETENTION_TEST, name: 'has it from another user, and starts over' }],
    why: 'Who signs in on another user’s device would go on from that one’s checkpoint.',
  },
  {
    name: 'devices-of-others-can-be-revoked',
    file: 'lib/store/clients/client-admin.ts',
    find: "'DELETE FROM :sync.sync_clients WHERE user_id = $1 AND client_id = $2'",
    replace: "'DELETE FROM :sync.sync_clients WHERE $1::text IS NOT NULL AND client_id = $2'",
    tests: [{ file: CLIENT_ADMIN, name: 'was there or was not' }],
    why: 'A host that lets users revoke their devices would let them revoke anybody’s.',
  },
  {
    name: 'failing-hooks-are-not-undone',
    file: 'lib/engine/push/writing/host-code.ts',
    find: '      await this.undo();\n      return mayRepeat',
    replace: '      return mayRepeat',
    tests: [{ file: BEFORE_APPLY, name: 'that fails by a failing query keeps the change on its device' }],
    why: 'Rule 13: one record’s validator would cost all others of the push their place.',
  },
  {
    name: 'late-copies-replace-parked-rows',
    file: 'lib/engine/push/parking/merge-into-parked.ts',
    find: 'change.clientMicros >= parked.clientMicros;',
    replace: 'change.clientMicros <= parked.clientMicros;',
    tests: [{ file: PARKING, name: 'that is the create once more replaces it, unless it is an older copy' }],
    why: 'Rule 8: what was typed last would be lost.',
  },
  {
    name: 'updates-replace-parked-rows',
    file: 'lib/engine/push/parking/merge-into-parked.ts',
    find: '    ...(parked.data ?? []),\n',
    replace: '',
    tests: [{ file: PARKING, name: 'is taken into it, in a later push' }],
    why: 'Rule 8: the row would be written without what the update does not name.',
  },
  {
    name: 'parked-rows-move-to-another-parent',
    file: 'lib/engine/push/parking/merge-into-parked.ts',
    find: '...[...changes].filter(([column]) => column !== parentFkColumn),',
    replace: "...[...changes].filter(([column]) => column !== '' || parentFkColumn === ''),",
    tests: [{ file: PARKING, name: "can't move it to another parent" }],
    why: 'The row would wait under one parent, and be written under another one.',
  },
  {
    name: 'deletes-leave-parked-rows',
    file: 'lib/engine/push/parking/merge-into-parked.ts',
    find: "if (change.operation === 'delete') return { parked: null, verdict: applied(change.ref) };",
    replace: "if (change.operation === 'delete') return { parked, verdict: applied(change.ref) };",
    tests: [{ file: PARKING, name: 'that deletes it in the push that brings the parent leaves nothing' }],
    why: 'A row that its user has deleted would come to all devices.',
  },
  {
    name: 'pools-that-read-nothing-start',
    file: 'lib/store/rls/role-checks.ts',
    find: 'if (!denied) return;',
    replace: "if (denied?.role !== '') return;",
    tests: [
      { file: 'test/store/rls-start.test.ts', name: 'when no policy lets the role of the pool read a table' },
    ],
    why: 'Pulls and snapshots would leave every row out without a word.',
  },
];
