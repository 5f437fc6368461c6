import type { Entry, Meta, Refused, Row } from '../../src/records/record.js';
import type { Schema } from '../../src/wire/messages.js';

export const column = (
  name: string,
  db_type: string,
  logical_type: string,
): Schema['tables'][number]['columns'][number] => ({
  name,
  db_type,
  logical_type,
  nullable: true,
  default_kind: 'none',
});

export const SCHEMA: Schema = {
  schema_version: 1,
  schema_hash: 'one',
  tables: [
    {
      table_name: 'things',
      push_policy: 'owner_only',
      updated_at_column: 'updated_at',
      deleted_at_column: 'deleted_at',
      primary_key: ['id'],
      columns: [
        column('id', 'text', 'string'),
        column('big', 'bigint', 'int64'),
        column('price', 'numeric(10,2)', 'float'),
        column('ratio', 'double precision', 'float'),
        column('done', 'boolean', 'boolean'),
        column('doc', 'jsonb', 'json'),
        column('labels', 'text[]', 'json'),
        column('updated_at', 'timestamp with time zone', 'datetime'),
        column('deleted_at', 'timestamp with time zone', 'datetime'),
      ],
    },
  ],
};

export const META: Meta = {
  user: 'ann',
  clientId: 'c',
  checkpoint: 0,
  snapshot: null,
  stamp: 1,
  generation: 0,
  epoch: 0,
  pending: 0,
  refused: 0,
};

export const ROW: Row = {
  id: 'a',
  big: '9007199254740993',
  price: '5.00',
  ratio: 0.5,
  done: false,
  doc: { n: [1, null] },
  labels: ['x'],
  updated_at: '2026-01-01T00:00:00.123456+00:00',
  deleted_at: null,
};

export const ENTRY: Entry = {
  table: 'things',
  id: 'a',
  operation: 'update',
  patch: { big: '2' },
  base: ROW,
  server: null,
  stamp: 1,
  generation: 1,
  group: 1,
  at: '2026-01-01T00:00:00.000Z',
  sent: false,
};

export const REFUSED: Refused = {
  key: 'things/a#1',
  table: 'things',
  id: 'a',
  status: 'rejected',
  operation: 'update',
  patch: { big: '2' },
  base: null,
  theirs: null,
  reason: 'invalid_data',
  message: 'no',
  at: '2026-01-01T00:00:00.000Z',
};
