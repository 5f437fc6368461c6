import { expect, it } from 'vitest';
import { atOnce } from '../../lib/common/pieces.js';
import { pushAnswer } from '../../lib/http/answers.js';
import type { PushOutcome } from '../../lib/engine/push/push.js';

type Result = PushOutcome['results'][number];

const VERDICTS = 9_000;

function outcome(results: readonly Result[]): PushOutcome {
  const contract = { version: 1n, hash: 'hash' } as PushOutcome['contract'];
  return { results, contract, commit: null };
}

function verdict(n: number): Result {
  const id = String(n);
  const common = { id, table_name: 'tasks', operation: 'update' };
  return n % 2 === 0
    ? { accepted: true, ...common, status: 'applied' }
    : { accepted: false, ...common, status: 'conflict', server_version: `{"id":"${id}","data":{}}` };
}

it('thousands of verdicts are few parts of an answer, each in its list and in its order [W-LOAD-30]', () => {
  const results = Array.from({ length: VERDICTS }, (_, n) => verdict(n));
  const { body } = atOnce(pushAnswer(outcome(results)));
  expect(body.length).toBeLessThan(VERDICTS / 100);
  const answer = JSON.parse([body].flat().join('')) as Record<'accepted' | 'rejected', { id: string }[]>;
  const ids = (n: number): readonly string[] =>
    results.filter((_, index) => index % 2 === n).map(({ id }) => id);
  expect(answer.accepted.map(({ id }) => id)).toEqual(ids(0));
  expect(answer.rejected.map(({ id }) => id)).toEqual(ids(1));
});

it('no verdict is an empty list', () => {
  const { body } = atOnce(pushAnswer(outcome([])));
  expect(JSON.parse([body].flat().join(''))).toMatchObject({ accepted: [], rejected: [] });
});
