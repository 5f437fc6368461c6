import { formatLsn } from '../common/lsn.js';
import type { Pieces } from '../common/pieces.js';
import { formatMicros, nowMicros } from '../common/timestamp.js';
import { encodeAfterId } from '../engine/snapshot/snapshot-cursor.js';
import type { PullResult } from '../engine/pull/pull.js';
import type { PushOutcome } from '../engine/push/push.js';
import type { RegisterResult } from '../engine/register/register.js';
import type { SnapshotResult } from '../engine/snapshot/snapshot.js';
import type { SchemaContract } from '../schema/schema-contract.js';
import { type Answer, PART } from './answer.js';

/**
 * The 200 answers as JSON text. Row data and 64-bit numbers are spliced in as text; they never become JavaScript
 * values.
 */
export function registerAnswer(result: RegisterResult): Answer {
  return ok([
    ['id', JSON.stringify(result.id)],
    ['server_time', serverTime()],
    ['last_sync_at', text(result.lastSyncAt)],
    ['checkpoint', result.checkpoint.toString()],
    ...schemaIds(result.contract),
  ]);
}

export function pullAnswer(result: PullResult): Answer {
  const deletes = result.deletes.map(({ id, table }) => JSON.stringify({ id, table_name: table }));
  const reason = result.snapshotReason;
  return ok([
    ['changes', ['[', result.changes.text, ']']],
    ['deletes', array(deletes)],
    ['checkpoint', result.checkpoint.toString()],
    ['has_more', String(result.hasMore)],
    ['snapshot_required', reason === null ? null : 'true'],
    ['snapshot_reason', text(reason)],
    ['bucket_updates', bucketUpdates(result)],
    ['behind', result.behind ? 'true' : null],
    ...schemaIds(result.contract),
  ]);
}

export function* pushAnswer({ results, contract, commit }: PushOutcome): Pieces<Answer> {
  const lists = { accepted: new JsonArray(), rejected: new JsonArray() };
  for (const { accepted, server_version: version, ...result } of results) {
    const json = JSON.stringify(result);
    const list = accepted ? lists.accepted : lists.rejected;
    list.add(version === undefined ? json : `${json.slice(0, -1)},"server_version":${version}}`);
    yield;
  }
  return ok([
    ['accepted', lists.accepted.end()],
    ['rejected', lists.rejected.end()],
    ['checkpoint', '0'],
    ['server_time', serverTime()],
    ...schemaIds(contract),
    ['commit', commit === null ? null : JSON.stringify(formatLsn(commit))],
  ]);
}

export function snapshotAnswer({ records, next, checkpoint, contract }: SnapshotResult): Answer {
  const cursor =
    next &&
    `{"checkpoint":${next.checkpoint},"table_idx":0,"after_id":${JSON.stringify(encodeAfterId(next))}}`;
  return ok([
    ['records', ['[', records.text, ']']],
    ['cursor', cursor],
    ['checkpoint', checkpoint.toString()],
    ['has_more', String(next !== null)],
    ...schemaIds(contract),
  ]);
}

export function schemaAnswer(contract: SchemaContract): Answer {
  return ok([...schemaIds(contract), ['server_time', serverTime()], ['tables', contract.schemaTablesJson]]);
}

export function metaAnswer(contract: SchemaContract): Answer {
  return ok([['tables', contract.metaTablesJson], ['server_time', serverTime()], ...schemaIds(contract)]);
}

/** Key and JSON text, in pieces perhaps; null leaves the key out. */
type Member = readonly [key: string, json: string | readonly string[] | null];

function ok(members: readonly Member[]): Answer {
  const present = members.filter(([, json]) => json !== null);
  const pieces = present.flatMap(([key, json], n) => [`${n === 0 ? '{' : ','}"${key}":`, json ?? []].flat());
  return { status: 200, body: [...pieces, '}'] };
}

/** An array's text in parts: few, as there may be thousands of items, and none too long, as an item may be megabytes. */
class JsonArray {
  private readonly parts: string[] = [];
  private isEmpty = true;
  private last = '[';

  add(json: string): void {
    this.last += this.isEmpty ? json : `,${json}`;
    this.isEmpty = false;
    if (this.last.length < PART) return;
    this.parts.push(this.last);
    this.last = '';
  }

  end(): readonly string[] {
    return [...this.parts, `${this.last}]`];
  }
}

function array(items: readonly string[]): string {
  return `[${items.join(',')}]`;
}

function text(value: string | null): string | null {
  return value === null ? null : JSON.stringify(value);
}

function serverTime(): string {
  return JSON.stringify(formatMicros(nowMicros()));
}

function schemaIds(contract: SchemaContract): readonly Member[] {
  return [
    ['schema_version', contract.version.toString()],
    ['schema_hash', JSON.stringify(contract.hash)],
  ];
}

function bucketUpdates({ bucketUpdates: updates }: PullResult): string | null {
  if (updates === null) return null;
  const { added, removed } = updates;
  return JSON.stringify({
    ...(added.length > 0 && { added }),
    ...(removed.length > 0 && { removed }),
  });
}
