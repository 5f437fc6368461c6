import type { Random } from '../support/random.js';
import {
  objects,
  ownId,
  POSTS,
  render,
  renderChange,
  set,
  text,
  validChange,
  validDraft,
  type ChangeDraft,
  type Draft,
  type FuzzContext,
  type Member,
} from './draft.js';
import { cursor, foreignChange } from './foreign.js';
import { uuidOf } from './fuzz-tables.js';
import * as nasty from './nasty.js';
import { http, type RawRequest } from './raw-request.js';

/** Makes a request of one kind. */
export type Category = (random: Random, context: FuzzContext) => RawRequest;

/** What is wrong is in the body. */
export const BODY_CATEGORIES = {
  malformed: (random, context) => {
    const { endpoint, body } = validPost(random, context);
    return http(context, endpoint, damaged(random, body));
  },

  types: replacing(nasty.WRONG_TYPES),
  numbers: replacing([...nasty.NUMBERS, ...nasty.NUMBERS_AS_TEXT]),
  strings: replacing(nasty.ODD_STRINGS),
  sql: replacing(nasty.SQL),
  times: replacing(nasty.TIMES),
  nulls: replacing(['null']),

  missing: (random, context) =>
    mutated(random, context, (members) => {
      if (members.length > 0) members.splice(random.below(members.length), 1);
    }),

  keys: (random, context) =>
    mutated(random, context, (members) => {
      const key = random.below(3) === 0 ? (random.pick(members)?.[0] ?? 'id') : random.pick(nasty.KEYS);
      const member: Member = [key, random.pick([...nasty.KEY_VALUES, ...members.map(([, json]) => json)])];
      members.splice(random.below(members.length + 1), 0, member);
    }),

  bytes: (random, context) => {
    const { endpoint, body } = validPost(random, context);
    const bytes = Buffer.from(body);
    const at = random.below(bytes.length);
    const broken = Buffer.from(random.pick(nasty.BROKEN_BYTES), 'latin1');
    return http(context, endpoint, Buffer.concat([bytes.subarray(0, at), broken, bytes.subarray(at)]));
  },

  nesting: (random, context) => {
    const depth = random.pick([5, 50, 90, 99, 100, 101, 1_000, 10_000, 200_000]);
    const [open, close] = random.pick([
      ['[', ']'],
      ['{"a":', '}'],
      ['[{"a":', '}]'],
    ] as const);
    const json = nasty.nested(depth, open, random.below(4) === 0 ? '' : close, open.endsWith(':') ? '1' : '');
    if (random.below(5) === 0) return http(context, random.pick(POSTS), json);
    // As text, a document's depth is not limited by the body's.
    const value = random.below(2) === 0 ? json : text(json);
    return mutated(random, context, (members) => replaceOne(random, members, value));
  },

  cursors: (random, context) => {
    const draft = validDraft(random, context, 'snapshot');
    set(draft.members, 'cursor', cursor(random, context));
    return post(context, draft);
  },

  limits: (random, context) => {
    const draft = validDraft(random, context, random.pick(['pull', 'snapshot']));
    set(
      draft.members,
      'limit',
      random.pick([...nasty.NUMBERS, '0', '-1', '1001', '1000000', '"10"', '10.0']),
    );
    return post(context, draft);
  },

  checkpoints: (random, context) => {
    const draft = validDraft(random, context, 'pull');
    const near = [1, -1, 1_000, -1_000].map((step) => String(context.checkpoint + step));
    set(draft.members, 'checkpoint', random.pick([...nasty.NUMBERS, ...near, '-1', '"5"', '5.0']));
    return post(context, draft);
  },

  clients: (random, context) => {
    const draft = validDraft(random, context, random.pick(POSTS));
    const odd = [...nasty.SQL, ...nasty.ODD_STRINGS, '""', text('x'.repeat(255)), text('x'.repeat(256))];
    const foreign = random.below(3) > 0;
    set(draft.members, 'client_id', foreign ? text(random.pick(context.foreignClients)) : random.pick(odd));
    return post(context, draft);
  },

  foreign: (random, context) => {
    const draft = validDraft(random, context, 'push');
    const count = 1 + random.below(3);
    for (let n = 0; n < count; n++) draft.changes?.push(foreignChange(random, context));
    return post(context, { ...draft, changes: random.shuffled(draft.changes ?? []) as ChangeDraft[] });
  },

  tables: (random, context) => {
    const names = [...nasty.SQL, ...nasty.ODD_STRINGS, ...nasty.KEYS.map(text), text('x'.repeat(100_000))];
    const draft = validDraft(random, context, random.pick(['pull', 'push']));
    if (draft.changes) set(random.pick(draft.changes).members, 'table_name', random.pick(names));
    else set(draft.members, 'tables', `[${random.some(names, 1 + random.below(20)).join(',')}]`);
    return post(context, draft);
  },

  ids: (random, context) => {
    const id = uuidOf(context.seed, 'own', 'tasks', 1);
    const odd = [
      id.toUpperCase(),
      `{${id}}`,
      id.replaceAll('-', ''),
      ` ${id}`,
      `${id}\u0000`,
      `urn:uuid:${id}`,
      '',
    ];
    const ids = [
      ...nasty.SQL,
      ...nasty.ODD_STRINGS,
      ...nasty.NUMBERS,
      ...nasty.WRONG_TYPES,
      ...odd.map(text),
    ];
    const draft = validDraft(random, context, 'push');
    const change = random.pick(draft.changes ?? []);
    const parent = context.tables.find((table) => table.parent);
    if (random.below(3) === 0 && change.data && parent?.parent)
      set(change.data, parent.parent.column, random.pick(ids));
    else set(change.members, 'id', random.pick(ids));
    return post(context, draft);
  },

  /** The same records again and again, in any order. */
  repeats: (random, context) => {
    const draft = validDraft(random, context, 'push');
    const few = Array.from({ length: 1 + random.below(3) }, () => validChange(random, context));
    const table = random.pick(context.tables);
    const id = text(ownId(random, context, table.name));
    const changes = Array.from({ length: 20 + random.below(100) }, () => {
      if (random.below(3) === 0) return random.pick(few);
      const change = validChange(random, context, table);
      set(change.members, 'id', id);
      return change;
    });
    return post(context, { ...draft, changes });
  },

  batches: (random, context) => {
    const draft = validDraft(random, context, 'push');
    const head = render({ ...draft, changes: null }).slice(0, -1);
    const count = random.pick([200, 500, 1_000, 2_001, 3_000]);
    const change = (): string => {
      const { members, data } = validChange(random, context);
      const table = context.tables.find(({ name }) => members.some(([, json]) => json === text(name)));
      set(members, 'id', text(ownId(random, context, table?.name ?? '', 1_000)));
      return renderChange({ members, data });
    };
    const one = random.pick([change(), '{}', 'null', '1', '"x"', '[]']);
    const changes = Array.from({ length: count }, () => (random.below(3) === 0 ? one : change()));
    return http(context, 'push', `${head},"changes":[${changes.join(',')}]}`);
  },

  huge: (random, context) => {
    const size = random.pick([3_000, 10_000, 100_000, 1_000_000, 3_000_000]);
    const unit = random.pick(['x', 'é', '\u{1f331}', ' ', "'", String.raw`\"`, String.raw`\u0000`, '0', '[']);
    const value = `"${unit.repeat(Math.floor(size / unit.length))}"`;
    if (random.below(30) === 0) return http(context, 'push', ' '.repeat(17 * 1024 * 1024));
    return mutated(random, context, (members) => replaceOne(random, members, value));
  },
} satisfies Readonly<Record<string, Category>>;

function validPost(random: Random, context: FuzzContext): { endpoint: Draft['endpoint']; body: string } {
  const endpoint = random.pick([...POSTS, 'push', 'push'] as const);
  return { endpoint, body: render(validDraft(random, context, endpoint)) };
}

function post(context: FuzzContext, draft: Draft): RawRequest {
  return http(context, draft.endpoint, render(draft));
}

/** A valid request with something done to one or a few of its objects. */
function mutated(random: Random, context: FuzzContext, mutate: (members: Member[]) => void): RawRequest {
  const draft = validDraft(random, context, random.pick([...POSTS, 'push', 'push'] as const));
  const count = random.below(3) === 0 ? 3 : 1;
  for (let n = 0; n < count; n++) {
    const all = objects(draft);
    // As often the request's own members as those of its changes.
    mutate(random.below(3) === 0 ? (all[0] ?? []) : random.pick(all));
  }
  return post(context, draft);
}

function replacing(values: readonly string[]): Category {
  return (random, context) =>
    mutated(random, context, (members) => replaceOne(random, members, random.pick(values)));
}

function replaceOne(random: Random, members: readonly Member[], json: string): void {
  if (members.length > 0) random.pick(members)[1] = json;
}

function damaged(random: Random, body: string): string | Buffer {
  const at = random.below(body.length);
  const noise = random.pick([
    '"',
    '{',
    '}',
    '[',
    ']',
    ',',
    ':',
    '\\',
    '\u0000',
    'x',
    '1',
    ' ',
    '/*',
    '//',
    '\n',
    "'",
  ]);
  return random.pick([
    () => body.slice(0, at),
    () => body.slice(at),
    () => body.slice(0, at) + body.slice(at + 1),
    () => body.slice(0, at) + noise + body.slice(at),
    () => body.slice(0, at) + noise + body.slice(at + 1),
    () => body + random.pick(['}', ']', 'garbage', body, '\u0000', ',']),
    () =>
      random.pick([
        '',
        ' ',
        'null',
        'true',
        '1',
        '"x"',
        '[]',
        '{}',
        '{',
        '[',
        '"',
        'undefined',
        '\u0000',
        'a=b&c=d',
      ]),
    () => Buffer.from(`\uFEFF${body}`),
    () => Buffer.from(body, 'utf16le'),
    () => body.replaceAll('"', "'"),
    () => Buffer.from(Array.from({ length: 1 + random.below(300) }, () => random.below(256))),
  ])();
}
