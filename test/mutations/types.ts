import type { Mutation } from './mutation.js';

const IDENTITY = 'test/schema/types/types-identity.test.ts';
const READINGS = 'test/schema/types/types-readings.test.ts';
const SHAPES = 'lib/replication/tables/table-shapes.ts';

/** Other people's types, and DDL that nobody is told of. */
export const TYPES: readonly Mutation[] = [
  {
    name: 'labels-are-kept-by-the-consumer-alone',
    file: 'lib/schema/schema.service.ts',
    find: 'if (labels.length > 0)',
    replace: 'if (labels.length < 0)',
    tests: [
      {
        file: 'test/schema/types/types-readings.test.ts',
        name: 'a label that only its own snapshot has seen',
      },
    ],
    why: 'W-HOST-24: a label that is renamed again at once would be unknown when a device pushes it.',
  },
  {
    name: 'values-are-refused-by-tables-that-change',
    file: 'lib/engine/push/change-applier.ts',
    find: 'all.some(isInvalid) && (await',
    replace: 'all.length < 0 && (await',
    tests: [{ file: READINGS, name: 'pushes while the label is renamed' }],
    why: 'W-HOST-24: what was typed is refused for good, as its label was renamed while the push was written.',
  },
  {
    name: 'decoder-keeps-the-padding',
    file: 'lib/replication/stream/pgoutput.ts',
    find: 'padded[position] === true ? withoutPadding(text) : text',
    replace: 'text',
    tests: [{ file: IDENTITY, name: "for 'char(8)', 'varchar(20)'" }],
    why: 'W-HOST-22: the bucket of an owner with blanks is nobody’s, so rows never arrive.',
  },
  {
    name: 'rows-read-again-keep-the-padding',
    file: 'lib/replication/membership/current-rows.ts',
    find: 'padded.size === 0 ? row : withoutPaddings(row, padded)',
    replace: 'row',
    tests: [{ file: IDENTITY, name: "for 'char(8)', 'char(12)'" }],
    why: 'W-HOST-22: a cascade finds no parent for children, and devices keep or lose them.',
  },
  {
    name: 'wire-keeps-the-padding',
    file: 'lib/schema/row-json.ts',
    find: 'return `${value}::text AS ${name}`;',
    replace: 'return value;',
    tests: [{ file: IDENTITY, name: "for 'char(8)', 'varchar(20)'" }],
    why: 'W-HOST-22: the device that made a row is told of a second one, whose key has blanks.',
  },
  {
    name: 'first-edges-keep-the-blanks-of-a-foreign-key',
    file: 'lib/replication/membership/edge-backfill.ts',
    find: "${padded.has(column) ? '::bpchar' : ''}",
    replace: '',
    tests: [{ file: IDENTITY, name: 'a child whose varchar has blanks' }],
    why: 'W-HOST-22: the child waits for a parent that is there.',
  },
  {
    name: 'loose-collations-are-let-in',
    file: 'lib/schema/problems/identity-problems.ts',
    find: 'collation.isDeterministic',
    replace: '!collation.isDeterministic || collation.isDeterministic',
    tests: [
      {
        file: 'test/schema/types/types-problems.test.ts',
        name: 'text COLLATE loose is refused for an owner',
      },
    ],
    why: 'W-HOST-22: snapshot and pull of such a user fail for ever.',
  },
  {
    name: 'renamed-labels-go-unnoticed',
    file: SHAPES,
    find: '(stored.types[key] ?? text) !== text',
    replace: 'key === text',
    tests: [{ file: READINGS, name: 'an enum label that is renamed' }],
    why: 'W-HOST-23: devices keep the former label.',
  },
  {
    name: 'a-column-made-anew-goes-unnoticed',
    file: SHAPES,
    find: 'before.place !== place || ',
    replace: '',
    tests: [{ file: READINGS, name: 'a column that is dropped and made again' }],
    why: 'W-HOST-23: devices keep the values of the column that is gone.',
  },
  {
    name: 'defaults-that-were-never-written-go-unnoticed',
    file: SHAPES,
    find: '(fill !== null && !isPlain(fill))',
    replace: 'false',
    tests: [{ file: READINGS, name: 'a default that is never written' }],
    why: 'W-HOST-23: devices have null where every row has a value.',
  },
  {
    name: 'a-table-that-was-away-goes-unnoticed',
    file: 'lib/replication/tables/read-shapes.ts',
    find: 'r.xmin, t.xmin) AS published',
    replace: 'r.xmin) AS published',
    tests: [{ file: READINGS, name: 'a table that goes, and comes back' }],
    why: 'W-HOST-23: what was written meanwhile came under another name in the stream, and was not followed.',
  },
  {
    name: 'former-labels-are-not-understood',
    file: 'lib/engine/push/values/former-labels.ts',
    find: 'if (areValues) return mapTexts(value, (text) => labels.get(text) ?? text);',
    replace: 'if (areValues) return sent;',
    tests: [{ file: READINGS, name: 'pushes at once: what was typed is kept' }],
    why: 'W-HOST-24: a whole-row edit is refused for a label that the user did not touch.',
  },
  {
    name: 'catalogs-fingerprint-leaves-labels-out',
    file: 'lib/schema/introspection/schema-token.ts',
    find: 'FROM pg_catalog.pg_enum e WHERE e.enumtypid IN (SELECT oid FROM custom)',
    replace: 'FROM pg_catalog.pg_enum e WHERE false',
    tests: [{ file: READINGS, name: 'pushes at once: what was typed is kept' }],
    why: 'W-HOST-24: a running instance goes on with the labels of before.',
  },
  {
    name: 'devices-are-not-told-of-the-label-of-now',
    file: 'lib/engine/push/values/writable-columns.ts',
    find: 'differences(asSent, data, row)',
    replace: 'differences(contract, data, row)',
    tests: [{ file: READINGS, name: 'pushes once the consumer has seen it' }],
    why: 'W-HOST-24: the device takes the former label for stored, and no row that is newer comes.',
  },
  {
    name: 'closed-tables-are-written',
    file: 'lib/engine/push/check-change.ts',
    find: 'scope.contract.closed.has(table.table.name)',
    replace: 'scope.contract.closed.has(change.toString())',
    tests: [
      {
        file: 'test/schema/types/types-live.test.ts',
        name: 'an owner of another type: edits of it wait on their device',
      },
    ],
    why: 'W-HOST-27: each edit is refused for good, and devices drop what was typed.',
  },
  {
    name: 'arrays-are-parted-at-commas',
    file: 'lib/schema/defaults/default-portability.ts',
    find: 'parsePgArray(value.text, delimiter)',
    replace: 'parsePgArray(value.text)',
    tests: [{ file: 'test/schema/types/types-arrays.test.ts', name: 'devices have the default of box[]' }],
    why: 'W-HOST-26: devices fill new rows with pieces of boxes.',
  },
];
