import type { Mutation } from './mutation.js';

/** What the published SDKs do with what they are answered. */
export const SDK: readonly Mutation[] = [
  {
    name: 'null-document-is-served-as-null',
    file: 'lib/schema/row-json.ts',
    find: 'if (nullable) return document;',
    replace: 'if (nullable || value !== document) return document;',
    tests: [{ file: 'test/push/values/null-documents.test.ts', name: 'reaches other devices as text' }],
    why: 'W-SDK-1: SQLite refuses the whole page, for ever.',
  },
  {
    name: 'null-document-becomes-a-text',
    file: 'lib/engine/push/values/client-values.ts',
    find: '!column.nullable && stored === NULL_DOCUMENT ? undefined : stored',
    replace: 'column.nullable && stored === NULL_DOCUMENT ? undefined : stored',
    tests: [{ file: 'test/push/values/null-documents.test.ts', name: 'becomes a number by an edit' }],
    why: 'W-SDK-1: what stands for a null would make texts of what is typed over it.',
  },
  {
    name: 'kept-domains-are-read',
    file: 'lib/engine/push/sql/group-values.ts',
    find: '].map(({ name, baseSqlType }) => `${quoteIdentifier(name)} ${baseSqlType}`);',
    replace:
      "].map(({ name, baseSqlType, ...rest }) => `${quoteIdentifier(name)} ${'dbType' in rest ? rest.dbType : baseSqlType}`);",
    tests: [{ file: 'test/push/values/null-documents.test.ts', name: 'is left alone by an edit beside it' }],
    why: 'W-SDK-2: every edit of such a row would be refused.',
  },
  {
    name: 'snapshot-does-not-wait-for-its-device',
    file: 'lib/engine/snapshot/await-pushes.ts',
    find: 'if (lsn !== null) await',
    replace: 'if (lsn !== null && lsn < 0n) await',
    tests: [
      {
        file: 'test/snapshot/snapshot-own-pushes.test.ts',
        name: 'waits for the log, and has what was pushed',
      },
    ],
    why: "W-SDK-3: the device's own row would vanish until its next pull.",
  },
  {
    name: 'respelled-id-stays-on-its-device',
    file: 'lib/engine/push/corrections.ts',
    find: 'return isAnswered && ref.id !== id ?',
    replace: 'return isAnswered && ref.id !== id && index < 0 ?',
    tests: [
      { file: 'test/push/values/respelled-ids.test.ts', name: 'is there once, as the server names it' },
    ],
    why: 'W-SDK-4: the device would hold its row twice.',
  },
  {
    name: 'parked-row-is-deleted-under-its-old-name',
    file: 'lib/engine/push/corrections.ts',
    find: 'const isAnswered = answered.has(index) ||',
    replace: 'const isAnswered = index >= 0 || answered.has(index) ||',
    tests: [{ file: 'test/push/values/respelled-ids.test.ts', name: 'kept until the parent is there' }],
    why: 'W-SDK-4: nothing comes in its place before its parent does.',
  },
  {
    name: 'respelled-reference-stays',
    file: 'lib/engine/push/values/writable-columns.ts',
    find: "if (baseType !== 'uuid' || isPrimaryKey",
    replace: "if (baseType !== '' || isPrimaryKey",
    tests: [{ file: 'test/push/values/respelled-ids.test.ts', name: 'takes its children along' }],
    why: 'W-SDK-4: children would point to a row that the device is told to delete.',
  },
  {
    name: 'refused-creates-are-removed-unasked',
    file: 'lib/engine/push/corrections.ts',
    find: "refusedCreates === 'remove' && operation",
    replace: "refusedCreates !== 'remove' && operation",
    tests: [
      {
        file: 'test/push/failures/refused-creates.test.ts',
        name: 'by a constraint, and its neighbour is there',
      },
    ],
    why: 'W-SDK-5: what was typed would be lost without the host having said so.',
  },
  {
    name: 'child-is-told-by-its-last-parent-alone',
    file: 'lib/replication/membership/apply-event.ts',
    find: 'context.until < END ? order : commitEnd',
    replace: 'context.until < END ? order : Infinity',
    tests: [{ file: 'test/pull/told-children.test.ts', name: 'made with its parent' }],
    why: 'W-SDK-6: the device that made it would keep it.',
  },
  {
    name: 'rows-that-move-with-their-parent-have-no-past',
    file: 'lib/replication/membership/ancestry.ts',
    find: 'if (!parent || !above.some(mayMove)) continue;',
    replace: 'if (!parent || above.some(mayMove)) continue;',
    tests: [{ file: 'test/pull/told-children.test.ts', name: 'under rows that nobody touches' }],
    why: 'W-SDK-6: two levels below what moves, no event tells when.',
  },
  {
    name: 'moments-within-a-transaction-are-told',
    file: 'lib/replication/rules/bucket-timeline.ts',
    find: 'later[index + 1]?.commitEnd !== commitEnd',
    replace: 'later[index]?.commitEnd === commitEnd',
    tests: [{ file: 'test/pull/told-children.test.ts', name: 'what its parent was within a transaction' }],
    why: 'W-SDK-6: nobody could see it before the commit, so nobody is to be told of it.',
  },
];
