import type { Answer } from './answer.js';

export function methodNotAllowed(allowed: 'GET' | 'POST'): Answer {
  return { status: 405, body: JSON.stringify({ error: 'method not allowed' }), headers: { Allow: allowed } };
}
