import { describe, expect, it } from 'vitest';
import { RuleTimeBudget } from '../../../lib/replication/rules/rule-time-budget.js';

describe('the time that a rule may take over the rows of a batch', () => {
  it('is shared out by the number of rows, and never becomes too short for one', () => {
    const budget = new RuleTimeBudget(30_000, 2_000, () => 0);
    expect([2_000, 1_000, 500, 20, 1].map((rows) => budget.share(rows))).toEqual([
      30_000, 15_000, 7_500, 300, 300,
    ]);
    expect(new RuleTimeBudget(30_000, 1, () => 0).share(1)).toBe(30_000);
    expect(new RuleTimeBudget(1, 2_000, () => 0).share(1)).toBe(1);
  });

  it('is over after four times the limit', () => {
    let now = 5_000;
    const budget = new RuleTimeBudget(1_000, 2, () => now);
    now = 9_000;
    expect(budget.share(1)).toBe(500);
    now = 9_001;
    expect(budget.share(1)).toBeNull();
  });

  it('has no end without a limit', () => {
    let now = 0;
    const budget = new RuleTimeBudget(0, 2, () => now);
    now = 1e9;
    expect(budget.share(1)).toBe(0);
  });
});
