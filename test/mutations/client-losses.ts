import type { Mutation } from './mutation.js';

/** How an edit was lost that the soak or a reader of the client has found. */
export const CLIENT_LOSSES: readonly Mutation[] = [
  {
    name: 'client-drops-conflicts-that-nobody-hears',
    file: 'client/src/engine/refusals.ts',
    find: 'if (this.conflictListeners.size === 0) return;',
    replace: '',
    tests: [
      {
        file: 'client/test/engine/conflicts.test.ts',
        name: 'stay in the list when their listener ends itself with the first',
      },
    ],
    why: 'A listener that hears one conflict and ends itself would cost the user all others.',
  },
  {
    name: 'client-leaves-newer-verdicts-open',
    file: 'client/src/engine/pushing.ts',
    find: 'if (!judged.entry && now.generation > generation) {',
    replace: 'if (!judged.entry && now.generation < generation) {',
    tests: [
      {
        file: 'client/test/engine/verdicts.test.ts',
        name: 'comes, too, where nothing is left to push: the record is again as it was sent',
      },
    ],
    why: 'An app that waits for the verdict on an edit back to what was sent would wait for ever.',
  },
  {
    name: 'client-takes-capitals-for-another-id',
    file: 'client/src/records/ids.ts',
    find: 'return column ? canonicalText(column, id) : id;',
    replace: 'return id;',
    tests: [
      {
        file: 'client/test/engine/capital-ids.test.ts',
        name: 'names the one row that the server has, from the first moment on',
      },
    ],
    why: 'The device would hold the row twice: as the app wrote its id, and as the server does.',
  },
  {
    name: 'client-takes-capitals-for-another-reference',
    file: 'client/src/records/local-values.ts',
    find: "if (typeof value === 'string') return canonicalText(column, value);",
    replace: '',
    tests: [
      {
        file: 'client/test/engine/capital-ids.test.ts',
        name: 'is the same in a reference: what was made under a record is taken along with it',
      },
    ],
    why: 'What was made under a record that is taken back would stay, and be refused.',
  },
  {
    name: 'client-knows-no-parent-that-a-number-names',
    file: 'client/src/records/ids.ts',
    find: "if (typeof value === 'number') return String(value);",
    replace: '',
    tests: [
      {
        file: 'client/test/ids.test.ts',
        name: 'that is a number names the parent that a record is made under, too',
      },
    ],
    why: 'What was made under a record that is taken back would stay, and be refused.',
  },
  {
    name: 'client-signs-out-over-refusals',
    file: 'client/src/store/loses-nothing.ts',
    find: 'if (rejected === 0) return;',
    replace: 'if (rejected >= 0) return;',
    tests: [
      {
        file: 'client/test/engine/sign-out.test.ts',
        name: 'does not take along an edit that the server refuses meanwhile',
      },
    ],
    why: 'The user would sign out with everything pushed, and one of the edits would be nowhere.',
  },
  {
    name: 'client-counts-a-record-twice',
    file: 'client/src/engine/counts.ts',
    find: 'change(entries, new Map(writes.entries?.map((write) => [keyOf(write), write.entry])));',
    replace:
      '(writes.entries ?? []).reduce((sum, write) => sum + Number(!!write.entry) - Number(entries.has(keyOf(write))), 0);',
    tests: [
      {
        file: 'client/test/engine/pulled-twice.test.ts',
        name: 'ends the one delete that waits, and hides no other edit from the next push',
      },
    ],
    why: 'With a count of none, a store reads no pending edit: those that there are would never be pushed.',
  },
  {
    name: 'client-reports-lost-columns-under-the-edits-key',
    file: 'client/src/records/schema-change.ts',
    find: 'const key = `${entry.table}/${entry.id}: ${what}#${entry.generation}`;',
    replace: 'const { key } = item;',
    tests: [
      {
        file: 'client/test/records/fit-entries.test.ts',
        name: 'is reported under another key than the rest of it, which may be refused later',
      },
    ],
    why: 'A refusal of the rest of the edit would overwrite the values of the column that is gone.',
  },
  {
    name: 'client-leaves-edits-to-the-systems-memory',
    file: 'client/src/indexeddb/index.ts',
    find: "durability: 'strict'",
    replace: "durability: 'relaxed'",
    tests: [
      {
        file: 'client/test/indexeddb/durability.test.ts',
        name: 'an edit in IndexedDB is on the disk when it resolves',
      },
    ],
    why: 'W-CLIENT-31: an edit that the app was told is durable would be gone after a power cut.',
  },
  {
    name: 'client-waits-for-a-token-for-ever',
    file: 'client/src/wire/http.ts',
    find: "signal?.addEventListener('abort', () => reject(signal.reason as Error));",
    replace: '',
    tests: [{ file: 'client/test/wire/silent-answers.test.ts', name: 'a token that never comes' }],
    why: 'W-CLIENT-32: sync would stop without an error, and neither close nor signOut would end.',
  },
  {
    name: 'client-waits-for-the-rest-of-a-long-poll-for-ever',
    file: 'client/src/engine/live.ts',
    find: '      await response.text();\n      this.failedPolls = 0;',
    replace: '      clearTimeout(timer);\n      await response.text();\n      this.failedPolls = 0;',
    tests: [
      { file: 'client/test/wire/silent-answers.test.ts', name: 'a long poll that stops behind its head' },
    ],
    why: 'W-CLIENT-33: a device would hear of nothing until it is started again.',
  },
];
