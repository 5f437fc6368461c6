import { describe, expect, it } from 'vitest';
import { LwwResolver, ServerWinsResolver } from '../../../lib/resolvers/conflict-resolver.js';
import type { Conflict } from '../../../lib/settings/conflict.js';

const SERVER = '2024-05-01T12:00:00.123456Z';

/** A conflict whose client time is this many milliseconds after the server's. */
function conflict(ahead: number, baseVersion: string | null = null): Conflict {
  return {
    table: 'tasks',
    recordId: '1',
    clientId: 'phone',
    userId: 'alice',
    clientData: '{}',
    serverData: '{}',
    clientTime: new Date(Date.parse(SERVER) + ahead).toISOString().replace('Z', '456Z'),
    serverTime: SERVER,
    baseVersion,
  };
}

const OLDER = '2024-05-01T11:00:00Z';

describe('last write wins', () => {
  it.each([
    ['84', 'a client that is newer, without a base', conflict(1), 0, 'client'],
    ['85', 'a client that is older, without a base', conflict(-1), 0, 'server'],
    ['86', 'the same time, without a base', conflict(0), 0, 'server'],
    ['87', 'a base that is the server’s version', conflict(-60_000, SERVER), 0, 'client'],
    ['88', 'an older base, and a client that is newer', conflict(1, OLDER), 0, 'client'],
    ['89', 'an older base, and a client that is older', conflict(-1, OLDER), 0, 'server'],
    ['90', 'a client half a second behind, with a tolerance of one', conflict(-500), 1_000, 'client'],
    ['91', 'a client two seconds behind, with a tolerance of one', conflict(-2_000), 1_000, 'server'],
  ] as const)('[scenario %s] %s', (_, __, given, clockSkewTolerance, winner) => {
    expect(new LwwResolver({ clockSkewTolerance }).resolve(given)).toMatchObject({ winner });
  });
});

it('[scenario 92] the server always wins where it should', () => {
  expect(new ServerWinsResolver().resolve()).toEqual({ winner: 'server', reason: 'server always wins' });
});
