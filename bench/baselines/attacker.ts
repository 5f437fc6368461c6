import { randomInt } from 'node:crypto';
import { Attacker } from '../../test/soak/attacker.js';
import { serve } from '../environment/serve.js';

/** In a process of its own: what it costs to send all that must not slow down those who are measured. */
const CONNECTIONS = 50;

let attacker: Attacker | undefined;

async function prepare(url: string): Promise<void> {
  attacker = new Attacker({
    url,
    userId: 'mallory',
    table: { name: 'documents', text: 'title', integer: 'priority', numeric: 'amount', json: 'metadata' },
    connections: CONNECTIONS,
    choose: (count) => randomInt(count),
  });
  await attacker.prepare();
}

serve(
  {
    prepare,
    start: () => attacker?.start(),
    stop: () => attacker?.stop(),
    answers: () => [...(attacker?.answers ?? [])],
  },
  '',
  async () => attacker?.close(),
);
