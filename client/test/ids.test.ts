import { describe, expect, it } from 'vitest';
import { parentKey } from '../src/engine/batch.js';
import { tableSchema, type TableSchema } from '../src/records/columns.js';
import { createdUnder } from '../src/records/edit.js';
import { canonicalId } from '../src/records/ids.js';
import { keyOf, type Entry } from '../src/records/record.js';
import type { SchemaTable } from '../src/wire/messages.js';
import { column, SCHEMA } from './support/store-samples.js';

const [first] = SCHEMA.tables;
if (!first) throw new Error('the schema has no table');
const things: SchemaTable = first;

function keyedBy(type: string): TableSchema {
  return tableSchema({ ...things, columns: [column('id', type, 'string')] });
}

describe('an id', () => {
  it.each([
    ['uuid', '{C1881E53-16A0-47E2-811D-D5E7C54C4FDC}', 'c1881e53-16a0-47e2-811d-d5e7c54c4fdc'],
    ['uuid', 'C1881E5316A047E2811DD5E7C54C4FDC', 'c1881e53-16a0-47e2-811d-d5e7c54c4fdc'],
    ['uuid', 'no UUID', 'no UUID'],
    ['bigint', '+0009007199254740993', '9007199254740993'],
    ['integer', '-07', '-7'],
    ['text', '007-A', '007-A'],
    ['text', 'C1881E53-16A0-47E2-811D-D5E7C54C4FDC', 'C1881E53-16A0-47E2-811D-D5E7C54C4FDC'],
  ])('of type %s that is written %s is %s [W-CLIENT-26]', (type, written, id) => {
    expect(canonicalId(keyedBy(type), written)).toBe(id);
  });

  it('that is a number names the parent that a record is made under, too [W-CLIENT-26]', () => {
    const parts = tableSchema({
      ...things,
      table_name: 'parts',
      parent_table: 'things',
      parent_fk_col: 'thing_id',
      columns: [column('id', 'integer', 'int'), column('thing_id', 'integer', 'int')],
    });
    const tables = new Map([parts, keyedBy('integer')].map((table) => [table.name, table]));
    const part: Entry = {
      table: 'parts',
      id: '8',
      operation: 'create',
      patch: { thing_id: 7 },
      base: null,
      stamp: 1,
      generation: 1,
      group: 1,
      at: '2026-01-01T00:00:00.000Z',
      sent: false,
    };
    const thing = { table: 'things', id: '7' };
    expect(createdUnder(thing, [part], tables)).toEqual([part]);
    expect(parentKey(part, tables)).toBe(keyOf(thing));
  });
});
