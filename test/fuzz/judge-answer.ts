import { isSwiftDate, parseAsSdk } from '../properties/strict-json.js';
import { fromJson, type Json } from '../support/wire.js';
import type { Endpoint } from './draft.js';
import type { VictimRow } from './fuzz-tables.js';
import type { RawAnswer } from './raw-connection.js';
import type { RawRequest } from './raw-request.js';

/** What must never be in an answer, and where. */
export interface Secrets {
  /** Texts that no answer may have anywhere: the canary, and ids that nobody told. */
  readonly everywhere: readonly string[];
  /** Rows whose ids are known, but whose content no answer may have, by `<table>/<id>`. */
  readonly rows: ReadonlyMap<string, VictimRow>;
}

type Members = { readonly [key: string]: Json };

/** Verdicts by which the server asks for a change again although nothing is wrong with it. */
const FAIR_RETRIES = new Set(['too_many_changes', 'parent_missing']);

/** What is wrong with an answer; null when nothing is. Server errors while faults are injected are the caller's. */
export function complaint(request: RawRequest, answer: RawAnswer, secrets: Secrets): string | null {
  const text = answer.body.toString('utf8');
  const told = `${[...answer.headers.values()].join('\n')}\n${text}`.toLowerCase();
  const secret = secrets.everywhere.find((each) => told.includes(each.toLowerCase()));
  if (secret !== undefined) return `it tells ${secret}`;
  if (answer.status >= 500) return `it is a ${answer.status}`;
  if (request.bodiless)
    return answer.status === 405 || answer.status >= 400 ? null : `HEAD is a ${answer.status}`;
  if (answer.status === 200 && request.refused) return 'it is taken from nobody';
  if (answer.status === 200) return complaintOf200(request, text, secrets);
  if (answer.status < 400) return `it is a ${answer.status}`;
  return request.strictness === 'protocol' ? null : complaintOfRefusal(request, answer, text);
}

/** The contract's error bodies say in strings what is wrong (docs/protocol.md#errors). */
function complaintOfRefusal(
  { strictness }: RawRequest,
  { status, headers }: RawAnswer,
  text: string,
): string | null {
  const body = parsed(text);
  if (typeof body === 'string') return body;
  if (!isMembers(body.value)) return 'its body is no object';
  if (strictness === 'host') return null;
  if (headers.get('content-type') !== 'application/json') return `its type is ${headers.get('content-type')}`;
  const { error, code, message } = body.value;
  if (status === 409)
    return code === 'schema_mismatch' && typeof message === 'string' ? null : 'no mismatch is named';
  if (typeof error !== 'string' || error === '') return 'it does not say what is wrong';
  const others = Object.entries(body.value).filter(([, value]) => typeof value !== 'string');
  return others.length === 0 ? null : `members that are no strings: ${others.map(([key]) => key).join(', ')}`;
}

function complaintOf200(request: RawRequest, text: string, secrets: Secrets): string | null {
  const body = parsed(text);
  if (typeof body === 'string') {
    // What a client sent as half a character, it gets back as such.
    const own =
      body.includes('surrogate') && (request.body === null || /\\u[dD][89a-fA-F]/.test(request.body));
    return own ? null : body;
  }
  const { value } = body;
  if (!isMembers(value)) return 'its body is no object';
  // Pipelined requests, and odd paths, may be to any endpoint.
  const endpoint = endpointOf(value);
  if (endpoint === null) return 'it is no answer of the contract';
  if (request.endpoint !== null && request.strictness === 'contract' && !same(request.endpoint, endpoint))
    return `it is an answer to ${endpoint}`;
  return shape(endpoint, value) ?? contents(request, endpoint, value, secrets);
}

function same(asked: Endpoint, answered: Endpoint): boolean {
  return asked === answered || (asked === 'tables' && answered === 'schema');
}

function endpointOf(value: Members): Endpoint | null {
  if ('accepted' in value) return 'push';
  if ('changes' in value) return 'pull';
  if ('records' in value) return 'snapshot';
  if ('tables' in value) return 'schema';
  return 'id' in value ? 'register' : null;
}

/** By the endpoint: members that must be there, and of what type (docs/protocol.md#answers). */
const SHAPES: Readonly<Record<Endpoint, Readonly<Record<string, (value: Json | undefined) => boolean>>>> = {
  register: { id: isText, server_time: isTime, checkpoint: isInteger },
  pull: { changes: isRecords, deletes: Array.isArray, checkpoint: isInteger, has_more: isBoolean },
  push: { accepted: isResults, rejected: isResults, checkpoint: isInteger, server_time: isTime },
  snapshot: { records: isRecords, checkpoint: isInteger, has_more: isBoolean },
  tables: { tables: Array.isArray, server_time: isTime },
  schema: { tables: Array.isArray, server_time: isTime },
};

function shape(endpoint: Endpoint, value: Members): string | null {
  const expected = { ...SHAPES[endpoint], schema_version: isInteger, schema_hash: isText };
  const wrong = Object.entries(expected).filter(([key, is]) => !is(value[key]));
  if (wrong.length > 0) return `not as the contract says: ${wrong.map(([key]) => key).join(', ')}`;
  const nulls = Object.entries(value).filter(([, member]) => member === null);
  if (nulls.length > 0) return `null: ${nulls.map(([key]) => key).join(', ')}`;
  if (endpoint === 'snapshot' && value['has_more'] === true && !isMembers(value['cursor'] ?? null))
    return 'has_more without a cursor';
  return null;
}

/** Whose rows are told, and whether each change has a verdict. */
function contents(request: RawRequest, endpoint: Endpoint, value: Members, { rows }: Secrets): string | null {
  const results = [...list(value['accepted']), ...list(value['rejected'])];
  const versions = results.flatMap(({ server_version: version }) =>
    isMembers(version ?? null) ? [version as Members] : [],
  );
  for (const record of [...list(value['changes']), ...list(value['records']), ...versions]) {
    const row = rows.get(keyOf(record));
    if (row && !row.shared) return `it carries the row ${keyOf(record)} of ${row.user}`;
  }
  // A child may be accepted to wait for its parent; what becomes of it, the database tells.
  const taken = list(value['accepted']).find(
    (result) => rows.get(keyOf(result))?.parent === undefined && rows.has(keyOf(result)),
  );
  if (taken) return `it accepted ${text(taken['operation'])} of ${keyOf(taken)}`;
  const stuck = list(value['rejected']).find(
    ({ status, reason_code: reason }) => status === 'rejected_retryable' && !FAIR_RETRIES.has(text(reason)),
  );
  if (stuck) return `a device would push for ever: ${JSON.stringify(stuck).slice(0, 300)}`;
  const count = endpoint === 'push' ? changesIn(request.body) : null;
  return count === null || count === results.length ? null : `${results.length} verdicts on ${count} changes`;
}

/** How many changes a body has; null where that is not beyond doubt. */
function changesIn(body: string | null): number | null {
  try {
    const value: unknown = JSON.parse(body ?? '');
    if (typeof value !== 'object' || value === null) return null;
    const keys = Object.keys(value).filter((key) => key.toLowerCase() === 'changes');
    const { changes } = value as { changes?: unknown };
    if (keys.length !== 1 || (body?.match(/"changes"/gi)?.length ?? 0) !== 1) return null;
    return Array.isArray(changes) ? changes.length : null;
  } catch {
    return null;
  }
}

function parsed(text: string): { value: Json } | string {
  try {
    parseAsSdk(text);
    return { value: fromJson(text) };
  } catch (error) {
    return error instanceof Error ? `an SDK can't read it: ${error.message}` : String(error);
  }
}

function keyOf({ table_name: table, id }: Members): string {
  return `${text(table)}/${text(id).toLowerCase()}`;
}

function list(value: Json | undefined): readonly Members[] {
  return Array.isArray(value) ? value.filter(isMembers) : [];
}

function isMembers(value: Json): value is { [key: string]: Json } {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function text(value: Json | undefined): string {
  return typeof value === 'string' ? value : '';
}

function isText(value: Json | undefined): boolean {
  return typeof value === 'string';
}

function isBoolean(value: Json | undefined): boolean {
  return typeof value === 'boolean';
}

function isInteger(value: Json | undefined): boolean {
  return Number.isInteger(value) || (typeof value === 'object' && value !== null);
}

function isTime(value: Json | undefined): boolean {
  return typeof value === 'string' && isSwiftDate(value);
}

function isRecords(value: Json | undefined): boolean {
  return (
    Array.isArray(value) &&
    value.every(
      (record) =>
        isMembers(record) && isText(record['id']) && isText(record['table_name']) && isTime(record['updated_at']) &&
        isMembers(record['data'] ?? null),
    )
  ); // prettier-ignore
}

function isResults(value: Json | undefined): boolean {
  return (
    Array.isArray(value) &&
    value.every(
      (result) =>
        isMembers(result) && ['id', 'table_name', 'operation', 'status'].every((key) => isText(result[key])),
    )
  );
}
