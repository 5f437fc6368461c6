import type { Mutation } from './mutation.js';

const COMPLAINTS = 'client/test/engine/complaints.test.ts';
const LEADERS = 'client/test/indexeddb/leaders.test.ts';
const SCHEMA_CHANGE = 'client/test/engine/schema-change.test.ts';
const SIGN_OUT = 'client/test/engine/sign-out.test.ts';
const SNAPSHOT = 'client/test/engine/snapshot.test.ts';
const TABS = 'client/test/indexeddb/tabs.test.ts';

/** The rest of what users of other clients complain of, and what the fleet of test devices has found. */
export const CLIENT_COMPLAINTS: readonly Mutation[] = [
  {
    name: 'client-gives-up-after-a-failure',
    file: 'client/src/timing/loop.ts',
    find: '        await this.sleep(delay, earliest);',
    replace: '        await this.sleep(undefined, delay + earliest);',
    tests: [
      {
        file: COMPLAINTS,
        name: 'that failed is tried again by itself, after the pause that the server asks for',
      },
    ],
    why: 'An upload that failed would wait until the user edits something else.',
  },
  {
    name: 'client-takes-its-own-create-for-another',
    file: 'client/src/records/verdict.ts',
    find: "return reason === 'record_exists' && !!theirs &&",
    replace: "return reason === 'record_missing' && !!theirs &&",
    tests: [{ file: 'client/test/records/judge.test.ts', name: 'was its own where the values are the same' }],
    why: 'What was sent again after a lost answer would be told as refused.',
  },
  {
    name: 'client-calls-stored-synced',
    file: 'client/src/engine/edits.ts',
    find: 'verdict: this.replica.waiters.wait({ table, id }, generations[index] ?? 0),',
    replace: "verdict: Promise.resolve({ status: 'applied' } as const),",
    tests: [{ file: COMPLAINTS, name: 'means that the server has it, not that it is stored here' }],
    why: 'An app would tell its user that something is safe which only this device has.',
  },
  {
    name: 'client-tells-no-progress',
    file: 'client/src/engine/client.ts',
    find: '{ rows: meta.snapshot?.rows ?? 0 }',
    replace: '{ rows: meta.snapshot ? 0 : 0 }',
    tests: [{ file: SNAPSHOT, name: 'is told once for a page of a thousand rows' }],
    why: 'A first sync of many rows would look as if it hung.',
  },
  {
    name: 'client-notifies-for-each-row',
    file: 'client/src/engine/replica.ts',
    find: 'for (const { table, id, row } of rows) this.views.view(table).set(id, row);',
    replace:
      'for (const { table, id, row } of rows) this.views.change(() => this.views.view(table).set(id, row));',
    tests: [{ file: SNAPSHOT, name: 'is told once for a page of a thousand rows' }],
    why: 'A screen would be drawn a thousand times for one page.',
  },
  {
    name: 'client-tabs-write-only-online',
    file: 'client/src/engine/edits.ts',
    find: '    const unshow = this.show(edits, at);',
    replace:
      "    if (this.replica.store.tabs && !navigator.onLine) throw new Error('offline');\n    const unshow = this.show(edits, at);",
    tests: [
      {
        file: TABS,
        name: 'show each other’s edits at once, offline too, and none is lost when all are closed',
      },
    ],
    why: 'Tabs could not write without a network.',
  },
  {
    name: 'client-leaves-the-data-of-who-signed-out',
    file: 'client/src/engine/client.ts',
    find: "else if (pending === 'discard') await store.destroy(",
    replace: "else if (pending === 'discard' && this.isClosed) await store.destroy(",
    tests: [{ file: SIGN_OUT, name: "leaves nothing in the store 'memory'" }],
    why: 'The next user of the device could read the last one’s data.',
  },
  {
    name: 'client-signs-out-over-later-edits',
    file: 'client/src/engine/client.ts',
    find: 'store.destroy(losesNothing(known))',
    replace: 'store.destroy(known.size < 0 ? losesNothing(known) : undefined)',
    tests: [
      {
        file: SIGN_OUT,
        name: "from the store 'memory' does not take along an edit that is made after all was pushed",
      },
    ],
    why: 'An edit that another tab makes while the user signs out would be lost.',
  },
  {
    name: 'client-leaves-verdicts-open-that-a-schema-ends',
    file: 'client/src/engine/connection.ts',
    find: 'entries, refused, rows }, verdicts, result: undefined };',
    replace: 'entries, refused, rows }, verdicts: verdicts.slice(0, 0), result: undefined };',
    tests: [{ file: SCHEMA_CHANGE, name: 'says what became of an edit whose column is gone, and keeps it' }],
    why: 'An app that waits for the verdict would wait for ever.',
  },
  {
    name: 'client-asks-one-leader-only',
    file: 'client/src/engine/client.ts',
    find: 'const again = setInterval(ask, ASK_AGAIN);',
    replace: 'const again = setInterval(() => {}, ASK_AGAIN);',
    tests: [{ file: LEADERS, name: 'is answered by the next leader where it loses the lead itself' }],
    why: 'A tab that was frozen for a while would not notice that it has caught up.',
  },
  {
    name: 'client-trusts-dead-leaders-to-have-told',
    file: 'client/src/engine/client.ts',
    find: 'if (this.hasCompany) void this.replica.missed();',
    replace: 'if (!this.hasCompany) void this.replica.missed();',
    tests: [{ file: LEADERS, name: 'leaves no tab without what it stored and told nobody' }],
    why: 'A tab would show old rows until it is reloaded.',
  },
  {
    name: 'client-starts-once',
    file: 'client/src/engine/client.ts',
    find: 'for (let failures = 0; !lost.aborted; failures += 1) {',
    replace: 'for (let failures = 0; failures < 1 && !lost.aborted; failures += 1) {',
    tests: [{ file: LEADERS, name: 'at which the store can’t be written is tried again' }],
    why: 'One write that found no space would end the sync until the app starts again.',
  },
  {
    name: 'client-takes-late-verdicts-for-news',
    file: 'client/src/engine/pushing.ts',
    find: '? since : now.stamp;',
    replace: '? state.meta.stamp : now.stamp;',
    tests: [
      {
        file: 'client/test/engine/snapshot.test.ts',
        name: 'is later than the verdict on what was pushed before it, which comes while it goes on',
      },
    ],
    why: 'W-CLIENT-23: a row that is gone on the server would stay on the device for ever.',
  },
];
