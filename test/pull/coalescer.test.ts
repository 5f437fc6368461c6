import { describe, expect, it } from 'vitest';
import { Coalescer } from '../../lib/engine/pull/coalescer.js';

/** Answers to questions, which come when they are let go. */
function desk(): {
  readonly coalescer: Coalescer<number, string>;
  readonly asked: (readonly number[])[];
  readonly letGo: (index: number, error?: Error) => void;
} {
  const asked: (readonly number[])[] = [];
  const flights: PromiseWithResolvers[] = [];
  const coalescer = new Coalescer<number, string>(async (questions) => {
    asked.push(questions);
    const flight = withResolvers();
    flights.push(flight);
    await flight.promise;
    return questions.map((question) => `answer ${question}`);
  });
  const letGo = (index: number, error?: Error): void => {
    if (error) flights[index]?.reject(error);
    else flights[index]?.resolve();
  };
  return { coalescer, asked, letGo };
}

interface PromiseWithResolvers {
  readonly promise: Promise<void>;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

/** `Promise.withResolvers` is younger than Node 20. */
function withResolvers(): PromiseWithResolvers {
  const handlers: Omit<PromiseWithResolvers, 'promise'>[] = [];
  const promise = new Promise<void>((resolve, reject) => handlers.push({ resolve, reject }));
  const [{ resolve, reject } = { resolve: () => undefined, reject: () => undefined }] = handlers;
  return { promise, resolve, reject };
}

describe('questions', () => {
  it('that come alone are asked at once', async () => {
    const { coalescer, asked, letGo } = desk();
    const answer = coalescer.ask(1);
    expect(asked).toEqual([[1]]);
    letGo(0);
    expect(await answer).toBe('answer 1');
  });

  it('that come while others are answered are asked together after them, each gets its own answer', async () => {
    const { coalescer, asked, letGo } = desk();
    const answers = [1, 2, 3].map((question) => coalescer.ask(question));
    letGo(0);
    await answers[0];
    await expect.poll(() => asked).toEqual([[1], [2, 3]]);
    letGo(1);
    expect(await Promise.all(answers)).toEqual(['answer 1', 'answer 2', 'answer 3']);
  });

  it('that fail together are asked one by one: only that fails which has to', async () => {
    const { coalescer, asked, letGo } = desk();
    const [first, bad, good] = [1, 2, 3].map((question) => coalescer.ask(question));
    letGo(0);
    await first;
    await expect.poll(() => asked.length).toBe(2);
    letGo(1, new Error('one of them is bad'));
    await expect.poll(() => asked).toEqual([[1], [2, 3], [2], [3]]);
    letGo(2, new Error('it is this one'));
    letGo(3);
    await expect(bad).rejects.toThrow('it is this one');
    expect(await good).toBe('answer 3');
  });

  it('do not wait for answers that do not come', async () => {
    const { coalescer, asked, letGo } = desk();
    const hanging = coalescer.ask(1);
    const other = coalescer.ask(2);
    await expect.poll(() => asked).toEqual([[1], [2]]);
    letGo(1);
    expect(await other).toBe('answer 2');
    letGo(0);
    expect(await hanging).toBe('answer 1');
  });

  it('are asked a hundred at a time at most', async () => {
    const { coalescer, asked, letGo } = desk();
    const answers = Array.from({ length: 151 }, (_, n) => coalescer.ask(n));
    letGo(0);
    await expect.poll(() => asked.length).toBe(3);
    letGo(1);
    letGo(2);
    expect((await Promise.all(answers)).at(-1)).toBe('answer 150');
    expect(asked.map(({ length }) => length)).toEqual([1, 100, 50]);
  });
});
