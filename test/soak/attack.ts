import type { Site } from '../faults/site.js';
import { attackedLatency } from './attacked-latency.js';
import { Attacker } from './attacker.js';

const USER = 'mallory-attacks';
const SECONDS = 10;
const CONNECTIONS = 50;
/**
 * Three instances, a server and the actors share the machine, so that how slow others get is told and not judged, as a
 * bench row does; but whose request gets no turn for so many milliseconds is blocked.
 */
const BLOCKED = 15_000;

/**
 * One user sends the worst that there is, while nothing else breaks.
 * @param choose which of so many is next
 * @returns how others fared
 * @throws when others were blocked
 */
export async function attack({ urls, database }: Site, choose: (count: number) => number): Promise<string> {
  const [url = ''] = urls;
  const table = { name: 'notes', text: 'title', integer: 'rank', numeric: 'amount', json: 'data' };
  const attacker = new Attacker({ url, userId: USER, table, connections: CONNECTIONS, choose });
  let fared: string;
  try {
    await attacker.prepare();
    attacker.start();
    const { p99, longest } = await attackedLatency({ url, userId: 'bystander', seconds: SECONDS });
    const took = `${p99.toFixed(0)} ms at p99, ${longest.toFixed(0)} ms at most`;
    fared = `attacked for ${SECONDS} s: others' pulls took ${took}`;
    if (longest > BLOCKED) throw new Error(fared);
  } finally {
    await attacker.close();
  }
  // The oracle reads all of the history: megabytes that nobody but the attacker has seen are none of its business.
  await database.query('DELETE FROM notes WHERE user_id = $1', [USER]);
  await database.query(`DELETE FROM history WHERE coalesce(after, before) ->> 'user_id' = $1`, [USER]);
  return fared;
}
