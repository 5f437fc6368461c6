import type { Random } from '../support/random.js';
import { uuidOf, type ColumnKind, type FuzzTable, type VictimRow } from './fuzz-tables.js';

export const ENDPOINTS = ['register', 'pull', 'push', 'snapshot', 'tables', 'schema'] as const;
export type Endpoint = (typeof ENDPOINTS)[number];

/** The endpoints that take a body. */
export const POSTS = ['register', 'pull', 'push', 'snapshot'] as const;

/** What the attacker knows. */
export interface FuzzContext {
  readonly seed: number;
  readonly tables: readonly FuzzTable[];
  /** The attacker's own. */
  readonly user: string;
  readonly clients: readonly string[];
  readonly headers: Readonly<Record<string, string>>;
  /** Rows of others whose ids are known. */
  readonly foreign: readonly VictimRow[];
  readonly foreignUsers: readonly string[];
  /** Devices of others. */
  readonly foreignClients: readonly string[];
  readonly schemaVersion: number;
  readonly schemaHash: string;
  /** The latest one that an answer told. */
  readonly checkpoint: number;
}

/** A key and its value as JSON text: anything can be said, also what is no JSON. */
export type Member = [key: string, json: string];

/** A request's body before it is text. */
export interface Draft {
  readonly endpoint: Endpoint;
  readonly members: Member[];
  /** null: it has no changes. */
  readonly changes: ChangeDraft[] | null;
}

export interface ChangeDraft {
  readonly members: Member[];
  readonly data: Member[] | null;
}

export const text = (value: string): string => JSON.stringify(value);

export function render({ members, changes }: Draft): string {
  const all = changes ? [...members, ['changes', `[${changes.map(renderChange).join(',')}]`]] : members;
  return object(all as Member[]);
}

export function renderChange({ members, data }: ChangeDraft): string {
  return object(data ? [...members, ['data', object(data)]] : members);
}

function object(members: readonly Member[]): string {
  return `{${members.map(([key, json]) => `${text(key)}:${json}`).join(',')}}`;
}

/** Every object of a draft, for mutations that may hit any of them. */
export function objects({ members, changes }: Draft): Member[][] {
  return [
    members,
    ...(changes ?? []).flatMap((change) => [change.members, ...(change.data ? [change.data] : [])]),
  ];
}

export function set(members: Member[], key: string, json: string): void {
  const found = members.find(([name]) => name === key);
  if (found) found[1] = json;
  else members.push([key, json]);
}

/** A request that nothing is wrong with. */
export function validDraft(random: Random, context: FuzzContext, endpoint: Endpoint): Draft {
  const members: Member[] = [
    ['client_id', text(random.pick(context.clients))],
    ['schema_version', String(context.schemaVersion)],
    ['schema_hash', text(context.schemaHash)],
  ];
  if (endpoint === 'register') {
    members.push(['client_name', 'null'], ['platform', text('fuzz')], ['app_version', text('1.0.0')]);
  } else if (endpoint === 'pull') {
    const back = random.pick([0, 0, 1, 10, 100]);
    members.push(
      ['checkpoint', String(Math.max(0, context.checkpoint - back))],
      ['limit', String(random.pick([1, 10, 100, 1000]))],
      ['tables', random.below(4) === 0 ? '["tasks"]' : 'null'],
      ['known_buckets', random.below(2) === 0 ? 'null' : JSON.stringify([`user:${context.user}`])],
    );
  } else if (endpoint === 'snapshot') {
    members.push(['cursor', 'null'], ['limit', String(random.pick([1, 10, 100, 1000]))]);
  }
  const changes =
    endpoint === 'push'
      ? Array.from({ length: 1 + random.below(4) }, () => validChange(random, context))
      : null;
  return { endpoint, members, changes };
}

const OWN_ROWS = 30;

export function ownId(random: Random, { seed }: FuzzContext, table: string, among = OWN_ROWS): string {
  return uuidOf(seed, 'own', table, random.below(among));
}

/** More often one with more columns. */
function anyTable(random: Random, { tables }: FuzzContext): FuzzTable {
  return random.pick(tables.flatMap((table) => Object.keys(table.columns).map(() => table)));
}

/** A change of a row of the attacker's. */
export function validChange(
  random: Random,
  context: FuzzContext,
  table = anyTable(random, context),
): ChangeDraft {
  const operation = random.pick(['create', 'create', 'create', 'update', 'update', 'update', 'delete']);
  const members: Member[] = [
    ['id', text(ownId(random, context, table.name))],
    ['table_name', text(table.name)],
    ['operation', text(operation)],
    // Later than now counts as now: it wins.
    ['client_updated_at', text('2100-01-01T00:00:00.000Z')],
    ['base_updated_at', 'null'],
  ];
  if (operation === 'delete') members.push(['data', 'null']);
  return { members, data: operation === 'delete' ? null : validData(random, context, table) };
}

export function validData(random: Random, context: FuzzContext, table: FuzzTable): Member[] {
  return Object.entries(table.columns).map(([name, kind]) => {
    if (name === table.owner) return [name, text(context.user)];
    if (name === table.parent?.column) return [name, text(ownId(random, context, table.parent.table))];
    return [name, validValue(random, kind)];
  });
}

function validValue(random: Random, kind: ColumnKind): string {
  const number = random.below(1_000_000);
  const values: Record<ColumnKind, string> = {
    text: text(`words ${number}`),
    int: String(number),
    bigint: `9007199254${number}`,
    numeric: `${number}.25`,
    array: text(JSON.stringify([`label ${number}`, 'b'])),
    json: text(JSON.stringify({ n: number, list: [1, 2.5, null] })),
    time: text('2026-03-01T10:00:00.123456+00:00'),
    bytes: text(String.raw`\x00ff10`),
    uuid: text(uuidOf('any', number)),
  };
  return values[kind];
}
