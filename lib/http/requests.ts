import { SynchroError } from '../common/errors.js';
import type { ExactNumber } from '../common/json/lossless-json.js';
import { type Lsn, lsnOf } from '../common/lsn.js';
import { inTurns, type Pieces } from '../common/pieces.js';
import { isJsonObject } from '../engine/push/values/json.js';
import type { PushChange } from '../engine/push/push-change.js';
import { decodeCursor, type SnapshotCursor } from '../engine/snapshot/snapshot-cursor.js';
import type { PullRequest } from '../engine/pull/pull.js';
import type { PushRequest } from '../engine/push/push.js';
import type { RegisterRequest } from '../engine/register/register.js';
import type { SyncRequest } from '../engine/request/sync-request.js';
import type { SnapshotRequest } from '../engine/snapshot/snapshot.js';
import { MAX_INT64, toInt64 } from './is-int64.js';
import {
  CursorBody,
  PullBody,
  PushBody,
  RegisterBody,
  SnapshotBody,
  SyncBody,
} from './bodies/request-bodies.js';
import { pickFields, readBody, readingBody, toDto } from './bodies/request-body.js';
import { bodyOf, takeBody, userOf, type HttpRequest } from './sync-request.js';

const SCHEMA_KEYS = ['schema_version', 'schema_hash'] as const;
const CLIENT_KEYS = ['client_id', ...SCHEMA_KEYS] as const;
const DEFAULT_LIMIT = 100;
const MAX_LIMIT = 1_000;
/** Far below what an SDK or a proxy waits for an answer. */
const MAX_WAIT_MS = 5_000;

export async function registerRequest(request: HttpRequest): Promise<RegisterRequest> {
  const body = await readInTurns(request, RegisterBody, SCHEMA_KEYS);
  // Devices without an id of their own would be one device (hazard W-CLI-2).
  if (!body.client_id) throw new SynchroError('bad_request', 'client_id is required');
  return {
    ...common(request, body),
    clientName: body.client_name ?? null,
    platform: body.platform ?? '',
    appVersion: body.app_version ?? '',
  };
}

export async function pullRequest(request: HttpRequest): Promise<PullRequest> {
  const body = await readInTurns(request, PullBody, CLIENT_KEYS);
  return {
    ...common(request, body),
    checkpoint: toInt64(body.checkpoint),
    limit: limitOf(body),
    tables: body.tables ?? null,
    knownBuckets: body.known_buckets ?? null,
    after: commitOf(body),
    waitMs: bounded(body.wait_ms, { none: 0, most: MAX_WAIT_MS }),
  };
}

export async function pushRequest(request: HttpRequest): Promise<PushRequest> {
  const body = await readInTurns(request, PushBody, SCHEMA_KEYS);
  return { ...common(request, body), changes: await inTurns(changesOf(body.changes ?? [])) };
}

export async function snapshotRequest(request: HttpRequest): Promise<SnapshotRequest> {
  const body = await readInTurns(request, SnapshotBody, CLIENT_KEYS);
  return { ...common(request, body), cursor: cursorOf(body), limit: limitOf(body) };
}

/** Others are served while a large body is read. */
function readInTurns<Body extends object>(
  request: HttpRequest,
  Dto: new () => Body,
  required: readonly string[],
): Promise<Body> {
  return inTurns(readingBody(takeBody(request), Dto, required));
}

/** Which device asks, as far as its body can be read; null for a request without one. */
export function clientIdOf(request: HttpRequest): string | null {
  try {
    return readBody(bodyOf(request), SyncBody, []).client_id ?? null;
  } catch {
    return null;
  }
}

function common(request: HttpRequest, body: RegisterBody | PullBody | PushBody | SnapshotBody): SyncRequest {
  return {
    userId: userOf(request),
    clientId: body.client_id ?? '',
    schema: { version: toInt64(body.schema_version), hash: body.schema_hash ?? '' },
  };
}

function limitOf({ limit }: PullBody | SnapshotBody): number {
  return bounded(limit, { none: DEFAULT_LIMIT, most: MAX_LIMIT });
}

/** @param none when it is absent or not positive */
function bounded(
  asked: ExactNumber | null | undefined,
  { none, most }: { readonly none: number; readonly most: number },
): number {
  const value = toInt64(asked);
  if (value <= 0n) return none;
  return value > BigInt(most) ? most : Number(value);
}

/** Of which push the log should have what was committed; null: of none. */
function commitOf({ after }: PullBody): Lsn | null {
  if (after == null) return null;
  const lsn = lsnOf(after);
  if (lsn !== null && lsn <= MAX_INT64) return lsn;
  throw new SynchroError('bad_request', 'after is no commit of a push');
}

function* changesOf(received: readonly unknown[]): Pieces<readonly PushChange[]> {
  const changes: PushChange[] = [];
  for (const each of received) {
    changes.push(changeOf(each));
    yield;
  }
  return changes;
}

/** A value that is no object is a change of nothing. */
function changeOf(received: unknown): PushChange {
  const change = isJsonObject(received) ? pickFields(received, CHANGE_KEYS) : {};
  return {
    id: change.id,
    table_name: change.table_name,
    operation: change.operation,
    data: change.data,
    client_updated_at: change.client_updated_at,
    base_updated_at: change.base_updated_at,
  };
}

const CHANGE_KEYS = [
  'id', 'table_name', 'operation', 'data', 'client_updated_at', 'base_updated_at',
] as const; // prettier-ignore

/** A cursor that isn't one of ours starts the snapshot over. */
function cursorOf({ cursor }: SnapshotBody): SnapshotCursor | null {
  if (!cursor) return null;
  const { checkpoint, after_id: afterId } = toDto(cursor, CursorBody);
  return decodeCursor(toInt64(checkpoint), afterId ?? '');
}
