import type { DataSource } from 'typeorm';
import { ownQuery } from '../../../database/query-log/own-query.js';
import { isUnstorable } from '../../../database/database-error.js';
import { jsonText } from './json.js';
import type { PushChange, PushResult } from '../push-change.js';
import { refOf, terminal } from '../verdicts.js';

/**
 * Pushes changes, and again without those with characters that the database's encoding doesn't have, each of which gets
 * a verdict: they are in the statements that are about all of them.
 */
export async function pushStorable<Outcome extends { readonly results: readonly PushResult[] }>(
  dataSource: DataSource,
  changes: readonly PushChange[],
  push: (changes: readonly PushChange[]) => Promise<Outcome>,
): Promise<Outcome> {
  try {
    return await push(changes);
  } catch (error) {
    if (!isUnstorable(error)) throw error;
    const refused = new Set(await unstorable(dataSource, changes));
    if (refused.size === 0) throw error;
    const outcome = await push(changes.filter((change) => !refused.has(change)));
    const others = outcome.results.values();
    const results = changes.flatMap((change) => {
      if (refused.has(change)) return [terminal(refOf(change), 'invalid_data', UNSTORABLE)];
      const { value } = others.next();
      return value ? [value] : [];
    });
    return { ...outcome, results };
  }
}

const UNSTORABLE = 'the database’s encoding has no place for some of its characters';

/** Those of some changes that the database can't be sent, found by halves. */
async function unstorable(
  dataSource: DataSource,
  changes: readonly PushChange[],
): Promise<readonly PushChange[]> {
  try {
    await ownQuery(dataSource, 'SELECT length($1::text)', [changes.map(textOf).join('\n')]);
    return [];
  } catch (error) {
    if (!isUnstorable(error)) throw error;
    if (changes.length <= 1) return changes;
    const middle = changes.length >> 1;
    const first = await unstorable(dataSource, changes.slice(0, middle));
    return [...first, ...(await unstorable(dataSource, changes.slice(middle)))];
  }
}

function textOf({ id, data }: PushChange): string {
  return jsonText([id ?? null, data ?? null]);
}
