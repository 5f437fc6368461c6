import type { Mutation } from './mutation.js';

const VALUES_TEST = 'test/push/values/push-values.test.ts';
const VERDICTS = 'test/push/push-verdicts.test.ts';
const ROW_JSON = 'test/schema/schema-row-json.test.ts';
const ODD = 'test/push/failures/push-odd-tables.test.ts';

/** What devices send, and what they are sent. */
export const VALUES: readonly Mutation[] = [
  {
    name: 'arrays-as-text-are-quoted',
    file: 'lib/engine/push/values/client-values.ts',
    find: 'return Array.isArray(parseJson(value)) ? value : JSON.stringify(value);',
    replace: 'return JSON.stringify(value);',
    tests: [{ file: VALUES_TEST, name: 'an array as JSON text' }],
    why: 'W-DATA-2: arrays that come back from devices would be refused.',
  },
  {
    name: 'empty-arrays-are-documents',
    file: 'lib/engine/push/values/client-values.ts',
    find: 'return Array.isArray(parseJson(value)) ? value : JSON.stringify(value);',
    replace: 'return parseJson(value) === undefined ? JSON.stringify(value) : value;',
    tests: [{ file: VALUES_TEST, name: "an empty array as SQLite's default" }],
    why: 'W-SCH-6: a row with the default of its array column would be refused.',
  },
  {
    name: 'string-documents-become-what-they-look-like',
    file: 'lib/engine/push/values/client-values.ts',
    find: 'return keepsString ? JSON.stringify(value) : value;',
    replace: 'return value;',
    also: [
      {
        file: 'lib/engine/push/values/client-values.ts',
        find: 'const keepsString =',
        replace: 'const _keepsString =',
      },
    ],
    tests: [{ file: VALUES_TEST, name: 'an edited string document' }],
    why: 'W-DATA-3: the string "5" would come back as a number.',
  },
  {
    name: 'base64-is-stored-as-letters',
    file: 'lib/engine/push/values/client-values.ts',
    find: "if (text.startsWith('\\\\x') || !isBase64(text)) return text;",
    replace: "if (text.startsWith('\\\\x') || isBase64(text)) return text;",
    tests: [{ file: VALUES_TEST, name: 'bytes as base64' }],
    why: 'W-DATA-4: a picture would come back as its own letters.',
  },
  {
    name: 'negative-doubles-have-no-point',
    file: 'lib/schema/row-json.ts',
    find: "~ '^-?[0-9]e' THEN replace",
    replace: "~ '^[0-9]e' THEN replace",
    tests: [{ file: ROW_JSON, name: 'a number that Kotlin could not read float8 -1e+20' }],
    why: 'W-DATA-6: Kotlin would refuse the whole page.',
  },
  {
    name: 'infinity-is-the-earliest-time',
    file: 'lib/schema/row-json.ts',
    find: "CASE WHEN ${instant} > timestamptz '${LATEST}' THEN",
    replace: "CASE WHEN ${instant} < timestamptz '${LATEST}' THEN",
    tests: [{ file: ROW_JSON, name: 'an envelope timestamp timestamptz infinity' }],
    why: 'W-DATA-7: devices would never take the row’s next version.',
  },
  {
    name: 'times-beyond-devices-are-told',
    file: 'lib/schema/row-json.ts',
    find: "return `${instant} BETWEEN timestamptz '${EARLIEST}' AND timestamptz '${LATEST}'`;",
    replace: "return `${instant} BETWEEN timestamptz '${EARLIEST}' AND timestamptz 'infinity'`;",
    tests: [{ file: ROW_JSON, name: 'an envelope timestamp' }],
    why: 'W-DATA-7: SDKs would refuse the whole page.',
  },
  {
    name: 'null-overrides-the-default',
    file: 'lib/engine/push/values/writable-columns.ts',
    find: 'return !column.nullMeansDefault || (data.get(column.name) ?? null) !== null;',
    replace: 'return true;',
    tests: [
      { file: VERDICTS, name: 'null in a column that has a default and refuses null means the default' },
    ],
    why: 'W-DATA-8: a device that sends whole rows could create none.',
  },
  {
    name: 'numbers-in-texts-are-objects',
    file: 'lib/engine/push/values/client-values.ts',
    find: 'return JSON.stringify(numberToken(value) ?? jsonText(value));',
    replace: 'return JSON.stringify(JSON.stringify(value));',
    tests: [{ file: VALUES_TEST, name: 'a number in a text column' }],
    why: 'W-DATA-9: a text would become the parser’s own form of a number.',
  },
  {
    name: 'retries-of-creates-are-conflicts',
    file: 'lib/engine/push/writing/judge.ts',
    find: 'return isRetry ? acceptedUnchanged(item, row) : this.resolveConflict(item, row, granted);',
    replace:
      "return isRetry && item.operation === 'update' ? acceptedUnchanged(item, row) : this.resolveConflict(item, row, granted);",
    tests: [{ file: VERDICTS, name: 'the retry of a create is applied, with the time of the row' }],
    why: 'W-PUSH-11: a create whose answer was lost would be written twice, or be a conflict.',
  },
  {
    name: 'creates-without-data-are-written',
    file: 'lib/engine/push/check-change.ts',
    find: "if (operation === 'create' && (id === null || data === null)) {",
    replace: "if (operation === 'create' && id === null) {",
    tests: [{ file: VERDICTS, name: 'a create without data' }],
    why: 'W-PUSH-15: a row of nothing would be made, or the push would fail.',
  },
  {
    name: 'sqlites-times-are-unreadable',
    file: 'lib/common/timestamp.ts',
    find: '(\\d{2})(?:[T ](\\d{2})',
    replace: '(\\d{2})(?:T(\\d{2})',
    tests: [{ file: VERDICTS, name: "a client time SQLite's loses where it is earlier [W-PUSH-16]" }],
    why: 'W-PUSH-16: an old edit would count as made now.',
  },
  {
    name: 'unreadable-times-lose',
    file: 'lib/engine/push/check-change.ts',
    find: 'if (micros === undefined) return now;',
    replace: 'if (micros === undefined) return YEAR_1;',
    tests: [{ file: VERDICTS, name: 'unreadable, meaning now' }],
    why: 'W-PUSH-16: an edit would lose for the form of its time.',
  },
  {
    name: 'creates-write-protected-columns',
    file: 'lib/engine/push/values/writable-columns.ts',
    find: '(!protectedColumns.has(column.name) || column.name === parentFkColumn),',
    replace: "(!protectedColumns.has(column.name) || parentFkColumn !== ''),",
    tests: [{ file: VERDICTS, name: 'protected, hidden and unknown columns are dropped' }],
    why: 'W-PUSH-20: a device could set a price, or a role.',
  },
  {
    name: 'numbers-grow-without-bound',
    file: 'lib/engine/push/values/number-growth.ts',
    find: 'return power > MAX_EXPONENT ? Infinity : power;',
    replace: 'return power > MAX_EXPONENT ? Infinity : 0;',
    tests: [{ file: 'test/push/values/value-bounds.test.ts', name: 'refuses a value of amounts' }],
    why: 'W-LOAD-4: a few characters would be hundreds of digits in every pull.',
  },
  {
    name: 'what-a-trigger-passes-over-is-taken',
    file: 'lib/engine/push/writing/change-processing.ts',
    find: "if (outcome.kind !== 'taken') await this.applyOutcome(outcome);",
    replace: "if (outcome.kind !== 'taken' && outcome.kind !== 'skipped') await this.applyOutcome(outcome);",
    tests: [{ file: ODD, name: 'is not stored, and the verdict says so' }],
    why: 'W-HOST-32: who looks for another user’s row would find none.',
  },
  {
    name: 'what-a-trigger-passes-over-is-forbidden',
    file: 'lib/engine/push/failures/failures.ts',
    find: 'if (isForbidden) return reverted(item, row, ...REASONS.forbidden);',
    replace: 'if (!isForbidden) return reverted(item, row, ...REASONS.forbidden);',
    tests: [{ file: ODD, name: 'is recognised for updates and deletes, too' }],
    why: 'W-HOST-32: who looks for a missing right would find none.',
  },
  {
    name: 'rows-out-of-sight-stay-on-their-device',
    file: 'lib/engine/push/sql/hidden-rows.ts',
    find: "(verdict?.accepted === true && operation !== 'delete')",
    replace: "(verdict?.accepted === false && operation !== 'delete')",
    tests: [
      {
        file: 'test/push/hidden-rows.test.ts',
        name: 'is gone with the next pull, though the change is applied',
      },
    ],
    why: 'W-HOST-41: no log would take the row from the device.',
  },
  {
    name: 'edited-rows-out-of-sight-stay-on-their-device',
    file: 'lib/engine/push/sql/hidden-rows.ts',
    find: "operation !== 'delete')",
    replace: "operation === 'create')",
    tests: [
      {
        file: 'test/push/hidden-rows.test.ts',
        name: 'is gone where it was kept from a refused create, and is edited once it is its own',
      },
    ],
    why: 'W-HOST-41: an edit that is taken leaves the row on the device as a create does.',
  },
  {
    name: 'push-times-come-behind-the-push',
    file: 'lib/engine/push/push.ts',
    find: '[recordPush(manager, client), ...bucketRecords(client, buckets, shared.length > 0)],',
    replace: '[...bucketRecords(client, buckets, shared.length > 0)],',
    also: [
      {
        file: 'lib/engine/push/push.ts',
        find: '...redeliverySql(client, gone),',
        replace: 'recordPush(manager, client),\n            ...redeliverySql(client, gone),',
      },
    ],
    tests: [{ file: 'test/push/push-effects.test.ts', name: 'is written with its changes, or not at all' }],
    why: 'W-PUSH-22: a push that is there would be answered as failed.',
  },
];
