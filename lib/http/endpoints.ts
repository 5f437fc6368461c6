/**
 * The endpoints of the contract, each with what it says when something unexpected happens (docs/protocol.md#errors).
 */
const FAILED = {
  register: 'failed to register client',
  pull: 'failed to pull changes',
  push: 'failed to push changes',
  snapshot: 'failed to snapshot',
  tables: 'failed to load table metadata',
  schema: 'failed to load schema',
  live: 'failed to open the live channel',
} as const;

/** @param url of a request to a sync route, with or without a query */
export function failureMessage(url: string): string {
  const [path = ''] = url.split('?');
  const endpoint = path.replace(/\/$/, '').split('/').at(-1)?.toLowerCase() ?? '';
  return endpoint in FAILED ? FAILED[endpoint as keyof typeof FAILED] : 'internal error';
}
