import { describe, expect, it } from 'vitest';
import { tableSchema } from '../../src/records/columns.js';
import type { Entry } from '../../src/records/record.js';
import { fitEntries } from '../../src/records/schema-change.js';
import { refusal } from '../../src/records/verdict.js';
import { SCHEMA } from '../support/store-samples.js';

const tables = new Map(SCHEMA.tables.map((table) => [table.table_name, tableSchema(table)]));

function entry(table: string, patch: Entry['patch']): Entry {
  return {
    table,
    id: 'a',
    operation: 'update',
    patch,
    base: { id: 'a' },
    server: { id: 'a' },
    stamp: 1,
    generation: 1,
    group: 1,
    at: '2026-01-01T00:00:00.000Z',
    sent: false,
  };
}

describe('a pending edit under a new schema', () => {
  it('keeps the columns that there are, and reports those that are gone [W-CLIENT-15]', () => {
    const { entries, refused, ended } = fitEntries(tables, [entry('things', { big: '2', gone: 'typed' })]);
    expect(entries).toMatchObject([{ id: 'a', entry: { patch: { big: '2' } } }]);
    expect(entries[0]?.entry?.patch).not.toHaveProperty('gone');
    expect(refused).toMatchObject([{ refused: { reason: 'column_gone', patch: { gone: 'typed' } } }]);
    expect(ended).toEqual([]);
  });

  it('is reported whole when nothing of it is left, or its table is gone [W-CLIENT-15]', () => {
    const { entries, refused, ended } = fitEntries(tables, [
      entry('things', { gone: 'typed' }),
      entry('others', { x: 'typed' }),
    ]);
    expect(entries.map(({ entry: left }) => left)).toEqual([null, null]);
    expect(refused.map(({ refused: item }) => item?.reason)).toEqual(['column_gone', 'table_gone']);
    expect(ended.map(({ verdict }) => verdict)).toMatchObject([
      { status: 'rejected', reason: 'column_gone' },
      { status: 'rejected', reason: 'table_gone' },
    ]);
  });

  it('is reported under another key than the rest of it, which may be refused later [W-CLIENT-28]', () => {
    const { entries, refused } = fitEntries(tables, [entry('things', { big: '2', gone: 'typed' })]);
    const rest = entries[0]?.entry;
    if (!rest) throw new Error('nothing is left of the edit');
    const later = refusal(rest, { status: 'conflict' }, null);
    expect(refused.map(({ key }) => key)).not.toContain(later.key);
    expect(refused.map(({ key, refused: item }) => item?.key === key)).toEqual([true]);
  });

  it('is left alone when all of it is there', () => {
    expect(fitEntries(tables, [entry('things', { big: '2' })])).toEqual({
      entries: [],
      refused: [],
      ended: [],
    });
  });
});
