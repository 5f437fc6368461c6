/**
 * Test files that need no server, and share their processes: each leaves nothing behind, such as a mocked module, a
 * changed global, or a promise that is refused later. Any other file gets a process of its own.
 */
export const WITHOUT_DATABASE: readonly string[] = [
  'architecture',
  'backoff',
  'coalescer',
  'cover-lists',
  'edge-diff',
  'fair-gate',
  'hazards',
  'linear-time',
  'lossless-json',
  'lww-resolver',
  'mutations',
  'pgoutput',
  'pieces',
  'properties/strict-json',
  'push-units',
  'push-writable-columns',
  'read-ahead',
  'readme',
  'rls-by-bucket',
  'rule-patience',
  'schema-default-portability',
  'schema-wire',
  'slot-discontinuity',
  'snapshot-visibility',
  'sync-table-types',
  'transaction-batcher',
  'unseen-buckets',
].map((name) => `test/${name}.test.ts`);
