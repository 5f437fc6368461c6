import { describe, expect, it } from 'vitest';
import { ResolverHealth } from '../../../lib/replication/resolver-health.js';

const row = (recordId: string, value = ''): { recordId: string; data: Record<string, string> } => ({
  recordId,
  data: { value },
});
const refused = (): Error => Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' });

describe('a resolver that fails as if something were down', () => {
  it('is waited for while it answers for no row, a minute at most [W-HOST-49]', async () => {
    let now = 0;
    const health = new ResolverHealth(
      () => Promise.reject(refused()),
      () => now,
    );
    health.recordAnswer('docs', [row('a')]);
    const down: boolean[] = [];
    for (now of [1_000, 30_000, 60_999, 61_000, 500_000]) down.push(await health.isDown());
    expect(down).toEqual([true, true, true, false, false]);
  });

  it('is waited for again once it has answered in between [W-HOST-49]', async () => {
    let now = 0;
    const health = new ResolverHealth(
      () => Promise.reject(refused()),
      () => now,
    );
    expect(await health.isDown()).toBe(true);
    now = 100_000;
    health.recordAnswer('docs', [row('a')]);
    expect(await health.isDown()).toBe(true);
  });

  it.each([
    ['answers', () => Promise.resolve()],
    ['fails for a reason of its own', () => Promise.reject(new Error('no such team'))],
  ])('is not waited for where it %s for the row that it last answered for [W-HOST-48]', async (_, answer) => {
    const asked: string[] = [];
    const health = new ResolverHealth((table, { recordId }) => {
      asked.push(`${table} ${recordId}`);
      return answer();
    });
    health.recordAnswer('docs', [row('a'), row('b')]);
    health.recordAnswer('pages', [row('wide', 'x'.repeat(100_000))]);
    expect(await health.isDown()).toBe(false);
    expect(asked).toEqual(['docs a']);
  });
});
