import { EventEmitter, once } from 'node:events';
import { Readable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { BodyMemory } from '../../../lib/http/bodies/body-memory.js';
import { IncomingBody, type LargeBodyRules } from '../../../lib/http/bodies/incoming-body.js';
import { type Exchange, PendingBody } from '../../../lib/http/bodies/pending-body.js';
import { countRounds } from '../../support/rounds.js';

const CHUNK = 64 * 1024;
const CHUNKS = 100;

/** A body that is there at once, as in the buffers of a socket. */
function arrived(chunks = CHUNKS): Readable {
  return Readable.from(Array.from({ length: chunks }, (_, n) => Buffer.alloc(CHUNK, 97 + (n % 26))));
}

function incoming(rules: Partial<LargeBodyRules>, stream = arrived(), memory = new BodyMemory(1e9)) {
  const limits = { maxBytes: 80 * CHUNK * 2, timeout: 60_000, memory };
  return new IncomingBody(stream, limits, {
    turn: () => Promise.resolve(),
    check: () => undefined,
    ...rules,
  });
}

describe('a large body', () => {
  it('comes while others have their turns, piece by piece [W-LOAD-25]', async () => {
    const rounds = countRounds();
    const checkedIn: number[] = [];
    const checked: string[] = [];
    const body = incoming({
      check: (text) => {
        checkedIn.push(rounds.count);
        checked.push(text);
      },
    });
    const text = await body.read();
    rounds.stop();
    expect(text === checked.join('')).toBe(true);
    expect(text.length).toBe(CHUNKS * CHUNK);
    const later = checkedIn.slice(-CHUNKS / 2);
    expect(new Set(later).size).toBe(later.length);
  });

  it('that is refused is read to its end, and forgotten [W-LOAD-26]', async () => {
    const memory = new BodyMemory(1e9);
    const stream = arrived();
    const held: number[] = [];
    const refusal = new Error('no');
    const rounds = countRounds();
    const body = incoming(
      {
        check: () => {
          throw refusal;
        },
      },
      stream,
      memory,
    );
    stream.on('data', () => held.push(body.bytes));
    const releases: number[] = [];
    memory.release = ({ bytes }) => void releases.push(bytes);
    await expect(body.read()).rejects.toBe(refusal);
    rounds.stop();
    expect(held.length).toBe(CHUNKS);
    expect(held.at(-1)).toBe(0);
    expect(releases[0]).toBeGreaterThan(0);
    expect(rounds.count).toBeGreaterThan(CHUNKS / 2);
  });

  it('that is refused and goes on for ever is read to a bound [W-LOAD-26]', async () => {
    let given = 0;
    const endless = new Readable({
      read() {
        given += CHUNK;
        this.push(Buffer.alloc(CHUNK));
      },
    });
    const refusal = new Error('no');
    await expect(incoming({ turn: () => Promise.reject(refusal) }, endless).read()).rejects.toBe(refusal);
    endless.destroy();
    expect(given).toBeLessThan(2.2 * 160 * CHUNK);
  });

  it('without a turn is not read on', async () => {
    const stream = arrived();
    let taken = 0;
    stream.on('data', () => taken++);
    const [asked, admitted] = [new EventEmitter(), new EventEmitter()];
    const turn = async (): Promise<void> => {
      asked.emit('turn');
      await once(admitted, 'turn');
    };
    const isAsked = once(asked, 'turn');
    const reading = incoming({ turn }, stream).read();
    await isAsked;
    const before = taken;
    for (let round = 0; round < 50; round++) await new Promise((resolve) => setImmediate(resolve));
    expect(taken).toBe(before);
    admitted.emit('turn');
    expect((await reading).length).toBe(CHUNKS * CHUNK);
  });
});

it('a body whose device hangs up while it waits for its turn gives its memory back once [W-LOAD-37]', async () => {
  const limits = { maxBytes: 160 * CHUNK, timeout: 60_000, memory: new BodyMemory(1.5 * 1024 * 1024) };
  const read = (turn: LargeBodyRules['turn'], response = new EventEmitter()): Promise<string> => {
    const request = Object.assign(arrived(), { headers: {} });
    const body = new PendingBody({ request, response } as unknown as Exchange, limits);
    return body.read({ turn, check: () => undefined });
  };
  const response = new EventEmitter();
  const gone = read(async () => {
    response.emit('close');
    await new Promise(setImmediate);
    throw new Error('no turn');
  }, response);
  await expect(gone).rejects.toThrow('broke off');
  const turn = new Promise<void>(() => undefined);
  const both = Promise.race([read(() => turn), read(() => turn)]);
  await expect(both).rejects.toThrow('too many large request bodies');
});
