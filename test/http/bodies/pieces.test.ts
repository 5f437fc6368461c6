import { describe, expect, it } from 'vitest';
import { closingQuote } from '../../../lib/common/json/json-scan.js';
import { atOnce, inTurns } from '../../../lib/common/pieces.js';
import { readBody, readingBody } from '../../../lib/http/bodies/request-body.js';
import { PushBody } from '../../../lib/http/bodies/request-bodies.js';
import { readSettings } from '../../../lib/settings/synchro.settings.js';

const { limits } = readSettings({});

function push(value: string): string {
  return `{"schema_version":1,"schema_hash":"x","changes":[{"data":{"value":${value}}}]}`;
}

/** How often others had their turn while something was worked on. */
async function turnsDuring(work: Promise<unknown>): Promise<number> {
  let [turns, isDone] = [0, false];
  const done = work.finally(() => (isDone = true));
  const count = (): void => {
    turns++;
    if (!isDone) setImmediate(count);
  };
  setImmediate(count);
  await done;
  return turns;
}

function* failing() {
  yield;
  throw new Error('no');
}

function* short() {
  yield;
  return 'done';
}

describe('a large body [W-LOAD-1]', () => {
  it.each([
    ['numbers with exponents', `[${'1e3,'.repeat(800_000)}1]`],
    ['decimals', `[${'1.50,'.repeat(800_000)}1]`],
    ['escapes', `"${String.raw`\"`.repeat(7_000_000)}"`],
    ['strings', `[${'"text",'.repeat(800_000)}1]`],
    ['what ends too soon', `[${'1e3,'.repeat(800_000)}`],
  ])('of %s is read while others have their turns', async (_, value) => {
    const reading = inTurns(readingBody({ text: push(value), limits }, PushBody, [])).catch(String);
    expect(await turnsDuring(reading)).toBeGreaterThanOrEqual(3);
  });

  it('may be one string of escapes, whose end is looked for in pieces', () => {
    const pieces = closingQuote(`"${String.raw`\"`.repeat(50_000)}"`, 0);
    expect([...pieces].length).toBeGreaterThanOrEqual(4);
  });

  it('is read as it is without a break', async () => {
    const body = { text: push(`[${'1.50,1e300,12,"a",{"b":[2.0]},'.repeat(20_000)}1]`), limits };
    expect(await inTurns(readingBody(body, PushBody, []))).toEqual(readBody(body, PushBody, []));
  });
});

describe('work in pieces', () => {
  it('that is short is done without a break', async () => {
    expect(await turnsDuring(inTurns(short()))).toBe(0);
    expect(atOnce(short())).toBe('done');
  });

  it('fails as a whole', async () => {
    await expect(inTurns(failing())).rejects.toThrow('no');
    expect(() => atOnce(failing())).toThrow('no');
  });
});
