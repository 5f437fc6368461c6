import type { BenchRow, Comparison } from '../../bench-row.js';
import { BenchDevice } from '../../environment/device.js';
import { HttpLoad } from '../../environment/http-load.js';
import { recordsOf } from '../../environment/records.js';
import type { Environment } from '../../environment/environment.js';

const CLIENTS = 100;
const ROWS = 1_000;

/** Everybody installs the app at once. */
export const newClients: BenchRow = {
  name: 'new-clients',
  lines: [
    {
      name: 'new-clients',
      work: `${CLIENTS} new clients at once with ${ROWS} rows each: schema, register, snapshot`,
      baseline: 'one statement each that reads the same rows as JSON text, sent by a bare HTTP server',
      unit: 'rows/s',
      target: 0.5,
      floor: 32_000,
    },
  ],
  large: true,
  prepare,
};

async function prepare(environment: Environment): Promise<Comparison> {
  const database = await environment.database();
  await database.query(`SELECT add_tasks(1, ${CLIENTS * ROWS}, ${CLIENTS})`);
  const app = await environment.app(database);
  const bare = await environment.baseline('bare-pull-server', database);
  await database.query('VACUUM ANALYZE');
  const load = new HttpLoad(app.url, CLIENTS);
  const bareLoad = new HttpLoad(bare.url, CLIENTS);
  const users = await database.query<{ user_id: string; ids: string[] }>(
    'SELECT user_id, array_agg(id::text ORDER BY id) AS ids FROM tasks GROUP BY user_id ORDER BY user_id',
  );
  await bare.call(
    'learn',
    users.map(({ ids }, n) => [n, ids]),
  );

  const atOnce = <Answer>(one: (userId: string, n: number) => Promise<Answer>): Promise<Answer[]> =>
    Promise.all(users.map(({ user_id: userId }, n) => one(userId, n)));
  const join = async (userId: string): Promise<readonly string[]> => {
    const device = await new BenchDevice(load, userId).register();
    const pages: string[] = [];
    await device.snapshot((text) => pages.push(text));
    return pages;
  };
  const bareJoin = (userId: string, n: number): Promise<string> =>
    bareLoad.post('/', JSON.stringify({ checkpoint: n }), userId);

  return {
    subject: async () => {
      const { seconds, usage } = await environment.timed(app, async () => void (await atOnce(join)));
      return { values: [(CLIENTS * ROWS) / seconds], usage };
    },
    baseline: async () => {
      const { seconds, usage } = await environment.timed(bare, async () => void (await atOnce(bareJoin)));
      return { values: [(CLIENTS * ROWS) / seconds], usage };
    },
    verify: async () => {
      const [mine, its] = [await atOnce(join), await atOnce(bareJoin)];
      for (const [n, pages] of mine.entries()) {
        const [one, two] = [pages.flatMap(recordsOf), recordsOf(its[n] ?? '')];
        if (one.length !== ROWS || JSON.stringify(one) !== JSON.stringify(two))
          throw new Error(`the rows of client ${n} are not what its baseline sends`);
      }
    },
  };
}
