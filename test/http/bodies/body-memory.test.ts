import { describe, expect, it } from 'vitest';
import { BodyMemory, type BodyInProgress } from '../../../lib/http/bodies/body-memory.js';

const KIBIBYTE = 1024;

interface Counted extends BodyInProgress {
  bytes: number;
  isEnded: boolean;
}

/** A body that has come. */
function body(memory: BodyMemory, bytes: number): Counted {
  const counted: Counted = {
    bytes,
    isEnded: false,
    end() {
      counted.isEnded = true;
    },
  };
  memory.begin(counted);
  memory.grow(bytes);
  return counted;
}

describe('what bodies hold is counted [W-LOAD-27]', () => {
  it('from the first byte of each until it is answered', () => {
    const memory = new BodyMemory(1000 * KIBIBYTE);
    const waiting = body(memory, 700 * KIBIBYTE);
    memory.end(waiting);
    expect(body(memory, 400 * KIBIBYTE).isEnded).toBe(true);
    memory.release({ ...waiting, bytes: 1100 * KIBIBYTE });
    expect(body(memory, 400 * KIBIBYTE).isEnded).toBe(false);
  });

  it('and what is there already stays, as do the bodies of idle pulls', () => {
    const memory = new BodyMemory(1000 * KIBIBYTE);
    const waiting = body(memory, 999 * KIBIBYTE);
    memory.end(waiting);
    expect(body(memory, 10 * KIBIBYTE).isEnded).toBe(false);
    expect(waiting.isEnded).toBe(false);
  });
});
