import type { Mutation } from './mutation.js';

/** What the sample app must not let anybody do. */
export const SAMPLE_APP: readonly Mutation[] = [
  {
    name: 'share-lets-everybody-edit',
    file: 'sample-app/tasks/task.write-policy.ts',
    find: ' AND can_edit',
    replace: '',
    tests: [
      {
        file: 'test/sample-app/who-writes.test.ts',
        name: 'is read only for a user whose share says nothing',
      },
    ],
    why: 'A share is for reading, unless it says more.',
  },
  {
    name: 'editor-deletes-a-shared-task',
    file: 'sample-app/tasks/task.write-policy.ts',
    find: "operation === 'update' && ",
    replace: '',
    tests: [{ file: 'test/sample-app/who-writes.test.ts', name: 'is deleted by the owner alone' }],
    why: 'Who edits a task does not take it from its owner.',
  },
  {
    name: 'page-exists-in-production',
    file: 'sample-app/app.settings.ts',
    find: "environment['NODE_ENV'] === 'production'",
    replace: "environment['NODE_ENV'] === 'never'",
    tests: [{ file: 'test/sample-app/demo.test.ts', name: 'does not exist in production' }],
    why: 'The page’s endpoints hand out tokens without a password.',
  },
  {
    name: 'page-edits-tasks-of-real-users',
    file: 'sample-app/demo/tasks.controller.ts',
    find: '{ id, userId: In(DEMO_USERS) }',
    replace: '{ id }',
    tests: [{ file: 'test/sample-app/demo.test.ts', name: 'reaches no task of anybody else' }],
    why: 'The app may have real users beside the page’s.',
  },
];
