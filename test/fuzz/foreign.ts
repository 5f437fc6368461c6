import type { Random } from '../support/random.js';
import { set, text, validChange, validData, type ChangeDraft, type FuzzContext } from './draft.js';
import * as nasty from './nasty.js';

/** A snapshot's cursor that the server never issued, as JSON text. */
export function cursor(random: Random, context: FuzzContext): string {
  const checkpoint = random.pick([String(context.checkpoint), '1', '0', '-1', ...nasty.NUMBERS]);
  const row = random.pick(context.foreign);
  const tables = [
    row.table,
    'sync_clients',
    'pg_authid',
    '',
    '__proto__',
    "tasks'; --",
    ...context.tables.map(({ name }) => name),
  ];
  const id = random.pick([row.id, '', '0', 'zzz', '\uffff', '\u0000', '\ud800', "' OR 1=1 --", '{}']);
  const inner = random.pick([
    JSON.stringify([random.pick(tables), id]),
    JSON.stringify([random.pick(tables), id, 'x']),
    JSON.stringify({ table: random.pick(tables), id }),
    random.pick(nasty.WRONG_TYPES),
    random.pick(nasty.SQL),
    nasty.nested(20_000, '[', ']'),
  ]);
  const token = random.pick([
    Buffer.from(inner).toString('base64url'),
    Buffer.from(inner).toString('base64'),
    inner,
    '',
    '=',
    'é',
  ]);
  const afterId = random.below(8) === 0 ? random.pick(nasty.WRONG_TYPES) : text(token);
  const index = random.below(8) === 0 ? random.pick(nasty.NUMBERS) : String(random.below(5));
  if (random.below(10) === 0) return random.pick([...nasty.WRONG_TYPES, ...nasty.SQL]);
  return `{"checkpoint":${checkpoint},"table_idx":${index},"after_id":${afterId}}`;
}

/** Creates, edits, deletes, brings back or takes over what is another one's. */
export function foreignChange(random: Random, context: FuzzContext): ChangeDraft {
  const row = random.pick(context.foreign);
  const table = context.tables.find(({ name }) => name === row.table) ?? random.pick(context.tables);
  const change = validChange(random, context, table);
  const data = change.data ?? validData(random, context, table);
  if (random.below(3) === 0 && table.parent) {
    // An own row below another one's.
    const parents = context.foreign.filter(({ table: name }) => name === table.parent?.table);
    set(data, table.parent.column, text(random.pick(parents).id));
  } else set(change.members, 'id', text(random.below(4) === 0 ? row.id.toUpperCase() : row.id));
  if (table.owner && random.below(3) === 0) {
    const nobody = ['null', '""', text('*'), text('global')];
    set(data, table.owner, random.pick([...context.foreignUsers.map(text), ...nobody]));
  }
  if (random.below(3) === 0) set(data, 'deleted_at', 'null');
  if (random.below(3) === 0) set(change.members, 'base_updated_at', random.pick(nasty.TIMES));
  set(change.members, 'operation', text(random.pick(['create', 'update', 'delete'])));
  return { members: change.members.filter(([key]) => key !== 'data'), data };
}
