import { afterEach, expect, it, vi } from 'vitest';
import { FairGate, GateBusyError, type Leave } from '../../../lib/http/admission/fair-gate.js';
import { usedHeap } from '../../support/used-heap.js';

const LIMITS = { total: 2, perUser: 1, waiting: 3, patience: 10_000 };

/** Requests at a gate, in the order in which they are let in. */
class Visitors {
  readonly inside: string[] = [];
  private readonly leave = new Map<string, Leave>();

  constructor(private readonly gate: FairGate) {}

  async enter(name: string, isGone?: () => boolean): Promise<void> {
    const [user = ''] = name;
    const leave = await this.gate.enter(user, isGone);
    this.inside.push(name);
    this.leave.set(name, leave);
  }

  async leaves(name: string): Promise<void> {
    await new Promise(setImmediate);
    this.leave.get(name)?.();
    // Those who are let in come in with the next turn.
    await new Promise(setImmediate);
  }

  /** Those who are let in for it, too; else they would wait on, and be refused in another test. */
  async allLeave(): Promise<void> {
    for (const name of this.inside) await this.leaves(name);
  }
}

afterEach(() => vi.useRealTimers());

it('lets in so many at once, and of one user fewer [W-LOAD-15]', async () => {
  const visitors = new Visitors(new FairGate(LIMITS));
  for (const name of ['a1', 'a2', 'b1', 'c1']) void visitors.enter(name);
  await visitors.leaves('nobody');
  expect(visitors.inside).toEqual(['a1', 'b1']);
  await visitors.leaves('a1');
  await visitors.leaves('a1');
  expect(visitors.inside, 'who leaves twice gives one place').toEqual(['a1', 'b1', 'a2']);
  await visitors.allLeave();
});

it('gives users their turns one after the other, whatever queue one of them has [W-LOAD-15]', async () => {
  const visitors = new Visitors(new FairGate({ ...LIMITS, total: 1 }));
  for (const name of ['a1', 'a2', 'a3', 'a4', 'b1', 'b2', 'c1']) void visitors.enter(name);
  for (const name of ['a1', 'a2', 'b1', 'c1', 'a3', 'b2']) await visitors.leaves(name);
  expect(visitors.inside).toEqual(['a1', 'a2', 'b1', 'c1', 'a3', 'b2', 'a4']);
});

it('refuses those of a user who would wait behind too many of the same, and no others [W-LOAD-15]', async () => {
  const visitors = new Visitors(new FairGate(LIMITS));
  for (const name of ['a1', 'a2', 'a3', 'a4']) void visitors.enter(name);
  await expect(visitors.enter('a5')).rejects.toThrow(GateBusyError);
  await visitors.enter('b1');
  expect(visitors.inside).toEqual(['a1', 'b1']);
  await visitors.allLeave();
});

it('refuses those who have waited for too long, and gives their turn to the next [W-LOAD-15]', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  const visitors = new Visitors(new FairGate(LIMITS));
  await visitors.enter('a1');
  const refused = expect(visitors.enter('a2')).rejects.toThrow(GateBusyError);
  vi.advanceTimersByTime(LIMITS.patience);
  await refused;
  const next = visitors.enter('a3');
  await visitors.leaves('a1');
  await next;
  expect(visitors.inside).toEqual(['a1', 'a3']);
});

it('passes over those who are gone: they neither wait nor get in', async () => {
  const visitors = new Visitors(new FairGate(LIMITS));
  let areGone = false;
  await visitors.enter('a1');
  const gone = Promise.allSettled(['a2', 'a3', 'a4'].map((name) => visitors.enter(name, () => areGone)));
  areGone = true;
  const next = visitors.enter('a5');
  await visitors.leaves('a1');
  await next;
  expect(visitors.inside).toEqual(['a1', 'a5']);
  expect((await gone).map(({ status }) => status)).toEqual(Array(3).fill('rejected'));
});

it('keeps nothing of users who are gone', async () => {
  const gate = new FairGate(LIMITS);
  const visitors = new Visitors(gate);
  for (const name of ['a1', 'b1', 'a2', 'b2']) void visitors.enter(name);
  for (const name of ['a1', 'b1', 'a2', 'b2']) await visitors.leaves(name);
  expect(visitors.inside).toHaveLength(4);
  const kept = Object.values(gate).filter((each) => each instanceof Map);
  expect(kept.map(({ size }) => size)).toEqual([0, 0]);
});

it('keeps nothing of those who have left while somebody always waits [W-LOAD-36]', async () => {
  const gate = new FairGate(LIMITS);
  const enter = (): Promise<Leave> => {
    const answer = Array.from({ length: 100_000 }, (_, n) => n);
    return gate.enter('a', () => answer.length === 0);
  };
  let [inside, next] = [await enter(), enter()];
  const before = usedHeap();
  for (let n = 0; n < 100; n++) {
    const another = enter();
    inside();
    [inside, next] = [await next, another];
  }
  expect(usedHeap() - before).toBeLessThan(10_000_000);
  inside();
  (await next)();
});
