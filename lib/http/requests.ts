import type {
  PullRequest,
  PushRequest,
  RegisterRequest,
  SnapshotRequest,
  SyncRequest,
} from '../engine/sync-engine.js';
import { decodeCursor, type SnapshotCursor } from '../engine/snapshot/snapshot-cursor.js';
import { RequestBody, toInt64 } from './request-body.js';
import { bodyOf, userOf, type HttpRequest } from './sync-request.js';

const SCHEMA_KEYS = ['schema_version', 'schema_hash'] as const;
const DEFAULT_LIMIT = 100;
const MAX_LIMIT = 1_000;

export function registerRequest(request: HttpRequest): RegisterRequest {
  const body = new RequestBody(bodyOf(request), SCHEMA_KEYS);
  return {
    ...common(request, body),
    clientName: body.optionalString('client_name'),
    platform: body.string('platform'),
    appVersion: body.string('app_version'),
  };
}

export function pullRequest(request: HttpRequest): PullRequest {
  const body = new RequestBody(bodyOf(request), ['client_id', ...SCHEMA_KEYS]);
  return {
    ...common(request, body),
    checkpoint: body.int64('checkpoint'),
    limit: limitOf(body),
    tables: body.strings('tables'),
    knownBuckets: body.strings('known_buckets'),
  };
}

export function pushRequest(request: HttpRequest): PushRequest {
  const body = new RequestBody(bodyOf(request), SCHEMA_KEYS);
  const changes = body.objects('changes').map((change) => ({
    id: change['id'],
    table_name: change['table_name'],
    operation: change['operation'],
    data: change['data'],
    client_updated_at: change['client_updated_at'],
    base_updated_at: change['base_updated_at'],
  }));
  return { ...common(request, body), changes };
}

export function snapshotRequest(request: HttpRequest): SnapshotRequest {
  const body = new RequestBody(bodyOf(request), ['client_id', ...SCHEMA_KEYS]);
  return { ...common(request, body), cursor: cursorOf(body), limit: limitOf(body) };
}

function common(request: HttpRequest, body: RequestBody): SyncRequest {
  return {
    userId: userOf(request),
    clientId: body.string('client_id'),
    schema: { version: body.int64('schema_version'), hash: body.string('schema_hash') },
  };
}

function limitOf(body: RequestBody): number {
  const limit = body.int64('limit');
  if (limit <= 0n) return DEFAULT_LIMIT;
  return limit > BigInt(MAX_LIMIT) ? MAX_LIMIT : Number(limit);
}

function cursorOf(body: RequestBody): SnapshotCursor | null {
  const cursor = body.object('cursor');
  if (!cursor) return null;
  const checkpoint = cursor['checkpoint'] ?? null;
  const afterId = cursor['after_id'];
  if (checkpoint === null || typeof afterId !== 'string') return null;
  return decodeCursor(toInt64(checkpoint), afterId);
}
