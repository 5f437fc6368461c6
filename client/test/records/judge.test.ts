import { describe, expect, it } from 'vitest';
import { tableSchema } from '../../src/records/columns.js';
import type { Entry } from '../../src/records/record.js';
import { judge } from '../../src/records/verdict.js';
import type { PushResult } from '../../src/wire/messages.js';
import { SCHEMA } from '../support/store-samples.js';

const [things] = SCHEMA.tables.map(tableSchema);
if (!things) throw new Error('the schema has no table');

const CREATE: Entry = {
  table: 'things',
  id: 'a',
  operation: 'create',
  patch: { big: '9007199254740993' },
  base: null,
  stamp: 1,
  generation: 1,
  group: 1,
  at: '2026-01-01T00:00:00.000Z',
  sent: true,
};

function exists(data: Record<string, unknown>): PushResult {
  const updated_at = '2026-01-01T00:00:00.123456Z';
  return {
    id: 'a',
    table_name: 'things',
    operation: 'create',
    status: 'rejected_terminal',
    reason_code: 'record_exists',
    server_version: { id: 'a', table_name: 'things', data: { id: 'a', ...data, updated_at }, updated_at },
  };
}

describe('a create that the server has already', () => {
  it('was its own where the values are the same: its answer was lost [W-CLIENT-3]', () => {
    const judged = judge(things, CREATE, CREATE, exists({ big: '9007199254740993' }));
    expect(judged).toMatchObject({ verdict: { status: 'applied' }, entry: null, refused: null });
    expect(judged?.row).toMatchObject({ big: '9007199254740993', done: null });
  });

  it('is another’s where they differ: the server’s stays, and what was typed is kept [W-CLIENT-3]', () => {
    const judged = judge(things, CREATE, CREATE, exists({ big: '1' }));
    expect(judged).toMatchObject({
      verdict: { status: 'rejected', reason: 'record_exists' },
      row: { big: '1' },
      refused: { patch: { big: '9007199254740993' } },
    });
  });
});
