import type { Mutation } from './mutation.js';

const COMPLAINTS = 'client/test/engine/complaints.test.ts';
const SNAPSHOT = 'client/test/engine/snapshot.test.ts';
const SIGN_OUT = 'client/test/engine/sign-out.test.ts';
const SYNC = 'client/test/engine/sync.test.ts';
const TABS = 'client/test/indexeddb/tabs.test.ts';

/** The TypeScript client: what users of other ones complain of. */
export const CLIENT: readonly Mutation[] = [
  {
    name: 'client-waits-for-news-until-its-edits-are-taken',
    file: 'client/src/engine/session.ts',
    find: 'does not delay the pull.\n    this.pulls.wake();',
    replace: 'does not delay the pull.',
    tests: [{ file: SYNC, name: 'keeps pending edits on top, column by column' }],
    why: 'One change that the server can’t take now would stop all news.',
  },
  {
    name: 'client-verdict-takes-newer-edits-along',
    file: 'client/src/records/verdict.ts',
    find: 'const left = now.generation === sent.generation ? null : newerEdit(table, now, sent, server ?? null);',
    replace: 'const left = sent ? null : newerEdit(table, now, sent, server ?? null);',
    tests: [{ file: COMPLAINTS, name: 'is not touched by the verdict on an older edit' }],
    why: 'What the user typed during a push would be lost.',
  },
  {
    name: 'client-shows-older-pulls-over-verdicts',
    file: 'client/src/records/pulled.ts',
    find: 'if (!table || (known !== undefined && compareTimes(version, known) < 0)) continue;',
    replace: 'if (!table || known === "") continue;',
    tests: [{ file: COMPLAINTS, name: 'does not flicker when an older pull’s answer comes after a verdict' }],
    why: 'What the user has just saved would show its old content for a moment.',
  },
  {
    name: 'client-forgets-creates-that-it-sent',
    file: 'client/src/engine/pushing.ts',
    find: 'const marked = batch.map((entry) => ({ ...entry, sent: true }));',
    replace: 'const marked = batch;',
    tests: [
      { file: COMPLAINTS, name: 'that was under way when the app was killed goes on with the next start' },
    ],
    why: 'A row that was deleted here would come back from the server.',
  },
  {
    name: 'client-leaves-children-of-refused-creates',
    file: 'client/src/engine/pushing.ts',
    find: "if (!judged.refused || judged.row || sent.operation !== 'create') continue;",
    replace: "if (!judged.refused || judged.row || sent.operation !== 'update') continue;",
    tests: [
      { file: SIGN_OUT, name: 'takes along what was created under it, and both come back with a retry' },
    ],
    why: 'They would be pushed for ever, or shown without what they belong to.',
  },
  {
    name: 'client-drops-refused-edits',
    file: 'client/src/records/verdict.ts',
    find: 'return { ...withoutSent(table, now, sent, server, verdict), refused };',
    replace: 'return { ...withoutSent(table, now, sent, server, verdict), refused: refused && null };',
    tests: [{ file: COMPLAINTS, name: 'with one bad record does not block the others' }],
    why: 'What the user typed would be gone without a word.',
  },
  {
    name: 'client-ignores-retry-after',
    file: 'client/src/timing/backoff.ts',
    find: 'const asked = error.retryAfter * (1 + random / 4);',
    replace: 'const asked = error.retryAfter * 0;',
    tests: [
      {
        file: COMPLAINTS,
        name: 'that failed is tried again by itself, after the pause that the server asks for',
      },
    ],
    why: 'Devices would hold down a server that is recovering.',
  },
  {
    name: 'client-does-not-ask-for-a-new-token',
    file: 'client/src/wire/http.ts',
    find: 'if (response.status === 401 && this.options.token) {',
    replace: 'if (response.status === 400 && this.options.token) {',
    tests: [{ file: COMPLAINTS, name: 'is asked for again, and neither ends the sync nor drops the queue' }],
    why: 'An expired token would end the sync until the app starts again.',
  },
  {
    name: 'client-has-browsers-ask-before-each-request',
    file: 'client/src/wire/http.ts',
    find: "{ method: 'POST', body:",
    replace: "{ method: 'POST', cache: 'no-store', body:",
    tests: [{ file: 'client/test/cross-origin.test.ts', name: 'asks once whether it may pull' }],
    why: 'Each pull from a page of another origin would take two round trips.',
  },
  {
    name: 'client-goes-on-with-a-snapshot-in-an-emptied-store',
    file: 'client/src/engine/pulling.ts',
    find: '(meta.snapshot?.rows ?? 0) === before',
    replace: '(meta.snapshot?.rows ?? 0) <= before',
    tests: [
      {
        file: SNAPSHOT,
        name: 'come again from the first one where the store is emptied between two of them',
      },
    ],
    why: 'The rows of the first pages would be gone from the device for ever.',
  },
  {
    name: 'client-keeps-rows-that-a-snapshot-does-not-bring',
    file: 'client/src/engine/pulling.ts',
    find: '...(sweeps && { sweep: meta.stamp }),',
    replace: '...(sweeps && {}),',
    tests: [
      {
        file: SNAPSHOT,
        name: 'leaves old rows visible and pending edits on top, and removes what is gone',
      },
    ],
    why: 'Rows that left the user’s sight would stay on the device.',
  },
  {
    name: 'client-signs-out-over-pending-edits',
    file: 'client/src/store/loses-nothing.ts',
    find: 'if (meta && meta.pending > 0) {',
    replace: 'if (meta && meta.pending < 0) {',
    tests: [
      { file: SIGN_OUT, name: 'pushes what is pending first, or says that it can’t and leaves everything' },
    ],
    why: 'A sign-out without a network would lose what the user typed.',
  },
  {
    name: 'client-tabs-never-take-the-lead-from-a-frozen-one',
    file: 'client/src/indexeddb/browser-tabs.ts',
    find: 'if (performance.now() - this.lastBeat > patience) waiting.abort();',
    replace: 'if (performance.now() < this.lastBeat) waiting.abort();',
    tests: [{ file: TABS, name: 'are not stopped by a frozen leader, which can’t write when it wakes' }],
    why: 'One frozen tab would stop the sync of all.',
  },
  {
    name: 'client-leaves-verdicts-open-that-a-frozen-tab-missed',
    file: 'client/src/engine/replica.ts',
    find: '    if (announcement === EVERYTHING) this.waiters.resolveMissed(state);\n',
    replace: '',
    tests: [{ file: TABS, name: 'learn the verdicts that they missed while they were frozen' }],
    why: 'What waits for the verdict would wait for ever.',
  },
  {
    name: 'client-keeps-no-conflict',
    file: 'client/src/engine/pushing.ts',
    find: 'if (judged.refused) refused.push(judged.refused);',
    replace: "if (judged.refused?.status === 'rejected') refused.push(judged.refused);",
    tests: [{ file: SYNC, name: 'leaves the server’s version, tells mine, theirs and base' }],
    why: 'W-CLIENT-6: a conflict that nobody listens to would be lost.',
  },
  {
    name: 'client-needs-indexed-db',
    file: 'client/src/indexeddb/index.ts',
    find: 'return fallback.open(user);',
    replace: 'throw error;',
    tests: [{ file: TABS, name: 'that has no IndexedDB to give works in memory' }],
    why: 'W-CLIENT-11: a private window would not sync at all.',
  },
  {
    name: 'client-stays-without-its-database',
    file: 'client/src/indexeddb/index.ts',
    find: 'if (this.isClosed || !isDisconnected(error)) throw error;',
    replace: 'if (this.isClosed || isDisconnected(error)) throw error;',
    tests: [{ file: TABS, name: 'begin again where somebody has removed the site’s data' }],
    why: 'W-CLIENT-11: the app would fail until it is loaded again.',
  },
  {
    name: 'client-goes-by-the-wall-clock',
    file: 'client/src/timing/loop.ts',
    find: 'const began = performance.now();',
    replace: 'const began = Date.now();',
    also: [
      {
        file: 'client/src/timing/loop.ts',
        find: 'const left = earliest - (performance.now() - began);',
        replace: 'const left = earliest - (Date.now() - began);',
      },
    ],
    tests: [{ file: COMPLAINTS, name: 'back neither stops the sync nor loses an edit' }],
    why: 'W-CLIENT-12: a clock that is set back would stop the sync for as long.',
  },
  {
    name: 'client-reads-numbers-as-doubles',
    file: 'client/src/wire/exact-json.ts',
    find: 'if (String(Number(token)) === token) continue;',
    replace: 'if (Number.isFinite(Number(token))) continue;',
    tests: [{ file: SYNC, name: 'exact in every digit' }],
    why: 'W-CLIENT-13: an edit would write back another number than the row has.',
  },
  {
    name: 'client-does-not-count-short-streams',
    file: 'client/src/engine/live.ts',
    find: 'this.shortStreams = isShort ? this.shortStreams + 1 : 0;',
    replace: 'this.shortStreams = 0;',
    tests: [{ file: 'client/test/engine/live.test.ts', name: 'falls back to long polls' }],
    why: 'W-CLIENT-14: behind such a proxy a device would hear of nothing, and connect again and again.',
  },
  {
    name: 'client-drops-what-the-schema-lost',
    file: 'client/src/records/schema-change.ts',
    find: 'refused.push({ key, refused: { ...item, key } });',
    replace: 'refused.push({ key, refused: null });',
    tests: [{ file: 'client/test/records/fit-entries.test.ts', name: 'a pending edit under a new schema' }],
    why: 'W-CLIENT-15: what the user typed into a column that is gone would be lost without a word.',
  },
  {
    name: 'client-shows-rows-after-a-sign-out',
    file: 'client/src/engine/client.ts',
    find: '    this.replica.views.end();\n    await store.close();',
    replace: '    await store.close();',
    tests: [{ file: SIGN_OUT, name: 'empties every list' }],
    why: 'W-CLIENT-9: the next user would see them on the screen.',
  },
  {
    name: 'types-take-protected-columns',
    file: 'lib/cli/table-types.ts',
    find: 'return !column.isPrimaryKey && !column.generated && !table.protectedColumns.has(column.name);',
    replace:
      'return !column.isPrimaryKey && !column.generated && !table.hiddenColumns.includes(column.name);',
    tests: [
      {
        file: 'client/test/types/printed-types.test.ts',
        name: 'prints types with which the client compiles, and refuses what the server would',
      },
    ],
    why: 'An app would compile whose edits the server drops.',
  },
];
